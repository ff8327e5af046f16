package router_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func published(id, topic string) *messages.Envelope {
	event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "client-1", Topic: topic})
	event.ID = id
	return event
}

func TestSafeEventsAreHeldByEachEndpointThatWantsThem(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "away"}, config.Endpoint{Name: "away too"})
		for _, receiver := range r.receivers {
			receiver.answers(always(refused))
		}
		require.NoError(t, r.NotifySafe(context.Background(), published("a", "t"), published("b", "t")))
		for _, name := range []string{"away", "away too"} {
			require.Equal(t, 2, r.endpoint(name).Held(), name)
		}
	})
}

func TestNobodyWaitsForWhatNobodyWants(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "picky", TopicFilters: []string{"wanted"}})
		require.NoError(t, r.NotifySafe(context.Background(), published("a", "other")))
		require.NoError(t, r.NotifySafe(context.Background()))
		require.EqualValues(t, 1, r.Stats().Mailbox.Total("unwanted"))
	})
}

// TestEventThatGaveWayGetsNoReceipt offers more at once than the root mailbox holds, before the router runs.
func TestEventThatGaveWayGetsNoReceipt(t *testing.T) {
	virtually(t, func(t *testing.T) {
		const room = 100
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = room }, config.Endpoint{Name: "any"})
		var taken, gaveWay int
		receipt := func(err error) {
			if err == nil {
				taken++
			} else {
				require.ErrorIs(t, err, messages.ErrQueueFull)
				gaveWay++
			}
		}
		r.stall(func() {
			for range room + 10 {
				require.NoError(t, r.NotifyReceipt(receipt, published("", "t")))
			}
			require.Equal(t, 10, gaveWay, "they learn it at once")
		})
		advance(0)
		require.Equal(t, room, taken)
		require.Equal(t, 10, gaveWay)
	})
}

func TestOneReceiptTellsOfAllEvents(t *testing.T) {
	virtually(t, func(t *testing.T) {
		const room = 100
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = room }, config.Endpoint{Name: "any"})
		var told []error
		r.stall(func() {
			var many []*messages.Envelope
			for range room {
				many = append(many, published("", "t"))
			}
			require.NoError(t, r.NotifyReceipt(func(err error) { told = append(told, err) }, many...))
			require.NoError(t, r.notify("newest", "t"), "one of the many gives way")
		})
		advance(0)
		require.Len(t, told, 1)
		require.ErrorIs(t, told[0], messages.ErrQueueFull)
	})
}

func TestReceiptAfterCloseIsRefused(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "any"})
		require.NoError(t, r.Close(context.Background()))
		require.ErrorIs(t, r.NotifySafe(context.Background(), published("a", "t")), messages.ErrClosed)
	})
}

func TestWhoStopsWaitingForAReceiptIsToldSo(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "any"})
		r.stall(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, r.NotifySafe(ctx, published("a", "t")), context.Canceled)
		})
	})
}

// stall keeps the router from routing what is offered meanwhile.
func (r *rig) stall(meanwhile func()) {
	r.t.Helper()
	process, found := r.system.ProcessRegistry.Get(r.PID())
	require.True(r.t, found)
	process.SendSystemMessage(r.PID(), &actor.SuspendMailbox{})
	synctest.Wait()
	meanwhile()
	process.SendSystemMessage(r.PID(), &actor.ResumeMailbox{})
}
