//go:build linux

package powercut

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// TestFaultOfTheDiskCostsNoReceiptAndHeals has a fault come and go amid load, and a power cut at the end.
func TestFaultOfTheDiskCostsNoReceiptAndHeals(t *testing.T) {
	for name, fault := range map[string]Faults{
		"writes fail":      {Write: true},
		"syncs fail":       {Sync: true},
		"the disk is full": {Full: true},
		"nothing works":    {Read: true, Write: true, Sync: true},
	} {
		t.Run(name, func(t *testing.T) {
			seed, chance := newChance(t)
			m := newMachine(t, seed)
			l := newTestLedger()
			keeper, kept, logger := open(t, m.store())
			r := start(t, keeper, l, kept, logger, chance)
			r.receivers["dead"].fails(1) // so that each event of topic all has to be written
			r.receivers["steady"].fails(0)
			r.produce("load", 2)
			time.Sleep(200 * time.Millisecond)
			m.breaks(fault)
			require.Eventually(t, r.router.StoreFails, 10*time.Second, time.Millisecond)
			before := l.got("steady")
			require.False(t, r.send("refused", "all", 3, 100), "no receipt")
			for _, id := range []string{"on-1", "on-2", "on-3"} {
				envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "alone"})
				envelope.ID = id
				require.NoError(t, r.router.NotifyAll(context.Background(), envelope))
			}
			require.Eventually(t, func() bool { return l.got("steady") >= before+3 }, 10*time.Second, time.Millisecond, "deliveries go on")
			m.breaks(Faults{})
			require.Eventually(t, func() bool { return !r.router.StoreFails() }, 20*time.Second, time.Millisecond, "it heals")
			require.Eventually(t, func() bool { return r.send("healed", "all", 1, 100) }, 10*time.Second, time.Millisecond)
			time.Sleep(100 * time.Millisecond)
			m.cut()
			r.stop()
			m.boot()
			again, _, _ := open(t, m.store())
			requireNothingLost(t, l, again, 1)
			require.NoError(t, again.Close())
			require.Positive(t, l.owes("dead"))
		})
	}
}
