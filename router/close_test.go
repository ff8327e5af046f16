package router_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

func TestCloseDeliversAllThatIsQueued(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"}, config.Endpoint{Name: "b"})
		r.receivers["a"].takes(10 * time.Millisecond)
		r.notifyMany(1, 5000)
		require.NoError(t, r.Close(context.Background()))
		for _, name := range []string{"a", "b"} {
			require.EqualValues(t, 5000, r.endpoint(name).Of(delivery.Delivered))
			require.True(t, r.receivers[name].closed)
		}
		require.EqualValues(t, 5000, r.Stats().Mailbox.Of(delivery.Routed))
	})
}

func TestClosedRouterRefusesEvents(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		require.NoError(t, r.Close(context.Background()))
		require.ErrorIs(t, r.notify("e", "t"), messages.ErrClosed)
		require.ErrorIs(t, r.Notify(context.Background(), &messages.AuthSuccess{ClientID: "c"}), messages.ErrClosed)
		require.NoError(t, r.Close(context.Background()), "a second Close")
		require.EqualValues(t, 2, r.Stats().Mailbox.Of(delivery.DroppedClosed))
	})
}

func TestCloseWithAnOpenBreakerProbesOnceAndWaitsForNothing(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "away"}, config.Endpoint{Name: "well"})
		r.receivers["away"].answers(always(refused))
		r.notifyMany(1, 100)
		advance(time.Second)
		require.Equal(t, delivery.BreakerOpen, r.endpoint("away").Breaker)
		sent := len(r.receivers["away"].arrivals())

		began := time.Now()
		var lost *router.LostError
		require.ErrorAs(t, r.Close(context.Background()), &lost)
		require.EqualValues(t, 100, lost.Events)
		require.Less(t, time.Since(began), 2*time.Second)
		require.Len(t, r.receivers["away"].arrivals(), sent+1)
		require.EqualValues(t, 100, r.endpoint("away").Of(delivery.DeadShutdown))
		require.EqualValues(t, 100, r.endpoint("well").Of(delivery.Delivered))
	})
}

func TestCloseDeliversToAnEndpointThatIsBackAtItsProbe(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(always(refused))
		r.notifyMany(1, 100)
		advance(time.Second)
		r.receivers["a"].answers(always(ok))
		require.NoError(t, r.Close(context.Background()))
		require.EqualValues(t, 100, r.endpoint("a").Of(delivery.Delivered))
	})
}

func TestRequestsInFlightAtTheDeadlineHaveAnUnknownOutcome(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "hung"})
		r.receivers["hung"].takes(time.Hour)
		r.notifyMany(1, 50)
		advance(0)
		began := time.Now()
		var lost *router.LostError
		require.ErrorAs(t, r.Close(context.Background()), &lost)
		require.EqualValues(t, 50, lost.Events)
		require.Equal(t, 28*time.Second, time.Since(began), "two seconds before shutdown_timeout")
		require.EqualValues(t, 5, r.endpoint("hung").Of(delivery.DeadUnknownOutcome))
		require.EqualValues(t, 45, r.endpoint("hung").Of(delivery.DeadShutdown))
	})
}

func TestCloseKeepsToTheEarlierDeadlineOfItsContext(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "hung"})
		r.receivers["hung"].takes(time.Hour)
		r.notifyMany(1, 5)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		began := time.Now()
		require.Error(t, r.Close(ctx))
		require.Equal(t, 9*time.Second, time.Since(began), "a tenth before the deadline")
	})
}

func TestCancelledCloseStopsAtOnce(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "hung"})
		r.receivers["hung"].takes(time.Hour)
		r.notifyMany(1, 50)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(3*time.Second, cancel)
		began := time.Now()
		require.Error(t, r.Close(ctx))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.EqualValues(t, 5, r.endpoint("hung").Of(delivery.DeadUnknownOutcome))
		require.EqualValues(t, 45, r.endpoint("hung").Of(delivery.DeadShutdown))
	})
}

func TestDrainWaitsForARetryThatIsInTime(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth <= 2 {
				return refused
			}
			return ok
		})
		require.NoError(t, r.notify("e", "t"))
		began := time.Now()
		require.NoError(t, r.Close(context.Background()))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.EqualValues(t, 1, r.endpoint("a").Of(delivery.Delivered))
	})
}

func TestDisabledWebhookSpawnsNothing(t *testing.T) {
	_, err := router.Spawn(nil, config.Default())
	require.True(t, errors.Is(err, router.ErrDisabled))
}
