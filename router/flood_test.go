package router_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

func TestFailedLoginsCostNoPublish(t *testing.T) {
	const publishes, loginsBetween = 100, 200
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		t.Run(string(policy), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				r := newRig(t, func(w *config.Webhook) { w.DropPolicy = policy },
					config.Endpoint{Name: "slow", Workers: 1, QueueSize: 100})
				r.receivers["slow"].takes(20 * time.Millisecond) // 50 events a second, of which publishes are ten
				for i := range publishes {
					for range loginsBetween {
						require.NoError(t, r.Notify(context.Background(), &messages.AuthFailure{ClientID: "stranger"}))
					}
					r.hand(fmt.Sprintf("publish-%d", i), &messages.MessagePublished{ClientID: "c", Topic: "t"})
					advance(100 * time.Millisecond)
				}
				advance(time.Minute)
				delivered := map[string]bool{}
				for _, id := range r.receivers["slow"].ids() {
					delivered[id] = true
				}
				for i := range publishes {
					require.True(t, delivered[fmt.Sprintf("publish-%d", i)], i)
				}
				require.NotZero(t, r.endpoint("slow").Total(delivery.KindDropped), "the flood is dropped")
			})
		})
	}
}

func TestUnwantedEventsTakeNoPlace(t *testing.T) {
	const producers, unwanted, wanted = 4, 5000, 800
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = 1000 },
			config.Endpoint{Name: "a", QueueSize: 1000, Events: []string{"message.published"}, TopicFilters: []string{"wanted/#"}})
		var all sync.WaitGroup
		for producer := range producers {
			all.Go(func() {
				for i := range unwanted {
					var event messages.Event = &messages.AuthSuccess{ClientID: "c"}
					if i%2 == 0 {
						event = &messages.MessagePublished{ClientID: "c", Topic: "other"}
					}
					switch producer {
					case 0:
						r.system.Root.Send(r.PID(), event)
					case 1:
						_ = r.NotifyAll(context.Background(), messages.NewEnvelope(event))
					default:
						_ = r.Notify(context.Background(), event)
					}
				}
			})
		}
		all.Go(func() {
			for range wanted {
				_ = r.Notify(context.Background(), &messages.MessagePublished{ClientID: "c", Topic: "wanted/1"})
			}
		})
		all.Wait()
		advance(time.Minute)

		require.EqualValues(t, wanted, r.endpoint("a").Of(delivery.Delivered))
		mailbox := r.Stats().Mailbox
		require.EqualValues(t, producers*unwanted, mailbox.Of(delivery.Unwanted))
		require.EqualValues(t, wanted, mailbox.Of(delivery.Routed))
		require.EqualValues(t, producers*unwanted+wanted, mailbox.Accepted)
	})
}

func TestOnlyTheWantedOfSeveralTakePlaces(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = config.MinQueueSize },
			config.Endpoint{Name: "a", Events: []string{"message.published"}})
		batch := make([]*messages.Envelope, 2*config.MinQueueSize)
		for i := range batch {
			batch[i] = messages.NewEnvelope(&messages.AuthSuccess{ClientID: "c"})
		}
		batch[7] = messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
		require.NoError(t, r.NotifyAll(context.Background(), batch...))
		for _, envelope := range batch {
			require.NotEmpty(t, envelope.ID)
		}
		advance(time.Second)
		require.Equal(t, []string{batch[7].ID}, r.receivers["a"].ids())
	})
}

func TestWhatNobodyWantsAfterCloseIsRefusedAsAnythingElse(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Events: []string{"message.published"}})
		require.NoError(t, r.Close(context.Background()))
		unwanted := &messages.AuthSuccess{ClientID: "c"}
		require.ErrorIs(t, r.Notify(context.Background(), unwanted), messages.ErrClosed)
		require.ErrorIs(t, r.NotifyAll(context.Background(), messages.NewEnvelope(unwanted)), messages.ErrClosed)
		require.EqualValues(t, 2, r.Stats().Mailbox.Of(delivery.DroppedClosed))
	})
}

func TestTurningAwayAllocatesNothing(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", TopicFilters: []string{"wanted/#"}})
		event := &messages.MessagePublished{ClientID: "c", Topic: "other"}
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Notify(context.Background(), event) }))
	})
}
