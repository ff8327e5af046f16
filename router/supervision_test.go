package router_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/test/probe"
)

func TestPanicInsideAnAttemptCostsItsEventAlone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(func(_ int, event *messages.Envelope) messages.Outcome {
			if event.ID == "e7" {
				panic("a bug in the sender")
			}
			return ok
		})
		r.notifyMany(1, 20)
		advance(0)
		require.EqualValues(t, 19, r.endpoint("a").Of(delivery.Delivered))
		require.EqualValues(t, 1, r.endpoint("a").Of(delivery.DeadPanic))
		require.Equal(t, "e7", r.DeadLetters()[0].Event.ID)
		require.Equal(t, 1, r.log.count("a bug in the sender"))
	})
}

// errTrap is an error that panics when the endpoint's actor asks what it says.
type errTrap struct{}

func (errTrap) Error() string { panic("a bug in the actor") }

func TestPanicOfAnEndpointActorLosesNothingItHeld(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 2})
		r.receivers["a"].takes(time.Second)
		r.receivers["a"].answers(func(_ int, event *messages.Envelope) messages.Outcome {
			if strings.HasPrefix(event.ID, "trap") {
				return messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: errTrap{}}
			}
			return ok
		})
		r.notifyMany(1, 10)
		require.NoError(t, r.notify("trap1", "t"))
		r.notifyMany(11, 20)
		require.NoError(t, r.notify("trap2", "t"))
		r.notifyMany(21, 30)
		advance(time.Minute)

		stats := r.endpoint("a")
		require.EqualValues(t, 30, stats.Of(delivery.Delivered))
		require.EqualValues(t, 2, stats.Of(delivery.DeadPanic))
		require.Zero(t, stats.Held())
		require.NoError(t, r.notify("after", "t"))
		advance(time.Second)
		require.EqualValues(t, 31, r.endpoint("a").Of(delivery.Delivered))
	})
}

// errLateTrap panics when the actor looks for advice, which it does when it knows what becomes of the event.
type errLateTrap struct{}

func (errLateTrap) Error() string { return "a bug in the actor" }
func (errLateTrap) As(any) bool   { panic("a bug in the actor") }

func TestPanicOverAnEventThatIsGivenUpLosesNoLetter(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Retry: config.Retry{MaxAttempts: 1}})
		r.receivers["a"].answers(always(messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: errLateTrap{}}))
		require.NoError(t, r.notify("trap", "t"))
		advance(time.Minute)
		require.Len(t, r.DeadLetters(), 1)
		require.Zero(t, r.endpoint("a").Bytes, "nothing takes room any more")
	})
}

// brittleLog is a log whose writer panics once, over a line with this text.
type brittleLog struct {
	text   string
	broken bool
}

func (b *brittleLog) Write(line []byte) (int, error) {
	if !b.broken && strings.Contains(string(line), b.text) {
		b.broken = true
		panic("a bug in the log")
	}
	return len(line), nil
}

func TestPanicBesidesAnEventThatWaitsForARetryCostsNoEvent(t *testing.T) {
	virtually(t, func(t *testing.T) {
		log := &brittleLog{text: "circuit breaker opened"} // which is told when the failed attempt is settled
		cfg := config.Default()
		cfg.Webhook.Enabled = true
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1}}}
		r := newRigOf(t, cfg, router.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth == 1 {
				return serverError
			}
			return ok
		})
		require.NoError(t, r.notify("e1", "t"))
		advance(5 * time.Minute)
		require.True(t, log.broken)
		require.Empty(t, r.DeadLetters())
		require.EqualValues(t, 1, r.endpoint("a").Of(delivery.Delivered))
		require.Len(t, r.receivers["a"].times("e1"), 2)
	})
}

func TestEndpointActorThatPanicsForEverIsNeverStopped(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 1})
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth <= 50 {
				return messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: errTrap{}}
			}
			return ok
		})
		r.notifyMany(1, 60)
		advance(10 * time.Second)
		require.Less(t, len(r.receivers["a"].arrivals()), 20, "the restarts take longer and longer")
		advance(10 * time.Minute)
		require.EqualValues(t, 50, r.endpoint("a").Of(delivery.DeadPanic))
		require.EqualValues(t, 10, r.endpoint("a").Of(delivery.Delivered))
	})
}

func TestEventsSentToThePIDAreRouted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		broker := probe.Spawn(t, r.system, func(ctx actor.Context) {
			if _, started := ctx.Message().(*actor.Started); started {
				ctx.Send(r.PID(), &messages.ClientConnected{ClientID: "c", Protocol: messages.ProtocolMQTT5})
				ctx.Request(r.PID(), &messages.AuthSuccess{ClientID: "c"})
				ctx.Send(r.PID(), (*messages.AuthFailure)(nil))
				ctx.Send(r.PID(), "no event")
			}
		})
		require.NotNil(t, broker.PID())
		advance(0)
		require.Len(t, r.receivers["a"].arrivals(), 2)
		mailbox := r.Stats().Mailbox
		require.EqualValues(t, 3, mailbox.Accepted)
		require.EqualValues(t, 2, mailbox.Of(delivery.Routed))
		require.EqualValues(t, 1, mailbox.Of(delivery.DroppedInvalid))
	})
}

func TestNilEventIsAnError(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		require.Error(t, r.Notify(context.Background(), (*messages.AuthFailure)(nil)))
		require.Error(t, r.Notify(context.Background(), nil))
	})
}

func TestEventOfAContextThatIsOverIsTaken(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		event := &messages.MessagePublished{ClientID: "c", Topic: "t"}
		require.NoError(t, r.Notify(ended, event))
		require.NoError(t, r.NotifyAll(ended, messages.NewEnvelope(event)))
		advance(0)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.Delivered))
	})
}

func TestRouterLivesInsideABrokersActor(t *testing.T) {
	virtually(t, func(t *testing.T) {
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
		spawned := make(chan *rig, 1)
		broker := probe.Spawn(t, system, func(ctx actor.Context) {
			if _, started := ctx.Message().(*actor.Started); started {
				cfg := config.Default()
				cfg.Webhook.Enabled = true
				cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
				spawned <- newRigOf(t, cfg, router.WithParent(ctx))
			}
		})
		r := <-spawned
		require.Contains(t, r.PID().Id, broker.PID().Id)
		r.notifyMany(1, 3)
		require.NoError(t, r.Close(context.Background()))
		require.EqualValues(t, 3, r.endpoint("a").Of(delivery.Delivered))
		require.True(t, probe.Expect[*actor.Terminated](t, broker).Who.Equal(r.PID()))
	})
}

func TestRouterStoppedFromAboveAccountsForAllItHeld(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 2}, config.Endpoint{Name: "b", Workers: 1})
		r.receivers["a"].takes(time.Hour)
		r.receivers["b"].answers(always(refused))
		r.notifyMany(1, 10)
		advance(0)
		r.system.Root.Stop(r.PID())
		advance(time.Second)

		require.ErrorIs(t, r.notify("late", "t"), messages.ErrClosed)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.DeadUnknownOutcome))
		require.EqualValues(t, 8, r.endpoint("a").Of(delivery.DeadShutdown))
		require.EqualValues(t, 10, r.endpoint("b").Of(delivery.DeadShutdown))
		var lost *router.LostError
		require.True(t, errors.As(r.Close(context.Background()), &lost))
		require.EqualValues(t, 20, lost.Events)
	})
}

func TestRouterRestartedFromAboveAccountsForAllItHeldAndStops(t *testing.T) {
	virtually(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
		spawned, sibling := make(chan *rig, 1), make(chan *actor.PID, 1)
		broker := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if _, started := ctx.Message().(*actor.Started); started {
				cfg := config.Default()
				cfg.Webhook.Enabled = true
				cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
				spawned <- newRigOf(t, cfg, router.WithParent(ctx))
				sibling <- ctx.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
					if _, isText := ctx.Message().(string); isText {
						panic("a bug in the broker")
					}
				}))
			}
		}, actor.WithSupervisor(actor.NewAllForOneStrategy(10, time.Minute, actor.DefaultDecider))))
		defer system.Root.Stop(broker)
		r := <-spawned
		r.receivers["a"].answers(always(refused))
		r.notifyMany(1, 10)
		advance(0)
		system.Root.Send(<-sibling, "fail")
		advance(time.Second)

		require.ErrorIs(t, r.notify("late", "t"), messages.ErrClosed)
		require.EqualValues(t, 10, r.endpoint("a").Of(delivery.DeadShutdown))
		_, lives := system.ProcessRegistry.GetLocal(r.PID().Id)
		require.False(t, lives)
		require.Equal(t, 1, r.log.count("restarted from above"))
		var lost *router.LostError
		require.ErrorAs(t, r.Close(context.Background()), &lost)
	})
}

func TestTwoRoutersLiveInOneSystem(t *testing.T) {
	virtually(t, func(t *testing.T) {
		first := newRig(t, nil, config.Endpoint{Name: "a"})
		cfg := config.Default()
		cfg.Webhook.Enabled = true
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: "http://receiver.test/"}}
		receivers := &rig{receivers: map[string]*receiver{}, began: time.Now()}
		second, err := router.Spawn(first.system, cfg, router.WithSenders(receivers.receiver))
		require.NoError(t, err)

		event := &messages.MessagePublished{ClientID: "c", Topic: "t", Payload: []byte("p")}
		require.NoError(t, first.Notify(context.Background(), event))
		require.NoError(t, second.Notify(context.Background(), event))
		require.NoError(t, first.Close(context.Background()))
		require.NoError(t, second.Close(context.Background()))
		require.Len(t, first.receivers["a"].arrivals(), 1)
		require.Len(t, receivers.receivers["a"].arrivals(), 1)
	})
}
