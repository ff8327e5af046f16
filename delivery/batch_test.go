package delivery

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// The bounds of a queue count what is left of a batch, so nothing else of it may stay in memory.
func TestPartThatWaitsHoldsOnToNoEventThatHasLeft(t *testing.T) {
	backlog := newEndpointBacklog(config.Endpoint{
		QueueSize: 100, QueueBytes: 1 << 20, DropPolicy: config.DropOldest, Batch: config.Batch{MaxEvents: 4, MaxBytes: 1 << 20},
	})
	d, left := splitInFlight(t, backlog)
	require.True(t, backlog.settleOutgoing(d, Delivered))
	backlog.retry(d, time.Time{})

	runtime.GC()
	for _, event := range left {
		require.Nil(t, event.Value())
	}
	require.Len(t, d.outgoing(), 2)
}

// splitInFlight is a batch of four that was split, and the two events of it that go out first.
func splitInFlight(t *testing.T, backlog *Backlog) (d *Delivery, first []weak.Pointer[messages.Envelope]) {
	events := newEvents(t, "a", "b", "c", "d")
	_, err := backlog.Offer(time.Time{}, events...)
	require.NoError(t, err)
	d = backlog.take(time.Time{}, false, false)
	d.split()
	return d, []weak.Pointer[messages.Envelope]{weak.Make(events[0]), weak.Make(events[1])}
}
