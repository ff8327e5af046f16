package actors

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// rejecting is a Sender whose endpoint will never take an event.
type rejecting struct{}

func (rejecting) Close() {}
func (rejecting) Send(context.Context, string, []*messages.Envelope) messages.Outcome {
	return messages.Outcome{Kind: messages.OutcomeRejected, Status: 400, Sent: true}
}

// hanging is a Sender whose endpoint never answers.
type hanging struct{}

func (hanging) Close() {}
func (hanging) Send(ctx context.Context, _ string, _ []*messages.Envelope) messages.Outcome {
	<-ctx.Done()
	return messages.Outcome{Kind: messages.OutcomeFailed, Err: ctx.Err(), Sent: true}
}

func openLetters(t *testing.T, cfg config.DeadLetters) *store.DeadLetters {
	t.Helper()
	cfg.MaxBytes = 1 << 30
	letters, err := store.OpenDeadLetters(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = letters.Close() })
	return letters
}

// slowDisk is a dead-letter actor that keeps letters when it is told to, and not before.
type slowDisk struct {
	deadLetterActor
	asked atomic.Int64
	goOn  chan struct{}
}

func newSlowDisk(letters *store.DeadLetters) *slowDisk {
	return &slowDisk{deadLetterActor: deadLetterActor{letters: letters, cancelDue: func() {}}, goOn: make(chan struct{})}
}

func (s *slowDisk) Receive(ctx actor.Context) {
	if _, keep := ctx.Message().(*keepDeadLetter); keep {
		s.asked.Add(1)
		<-s.goOn
	}
	s.deadLetterActor.Receive(ctx)
}

// spawn starts an endpoint, and its dead-letter actor, as children of parent.
func spawn(letters *store.DeadLetters, disk actor.Actor, sender Sender) (endpoint *Endpoint, system *actor.ActorSystem, parent, pid *actor.PID) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	endpoint = NewEndpoint(webhook.Resolve()[0], sender, rand.Float64, slog.New(slog.DiscardHandler))
	system = quietSystem()
	spawned := make(chan *actor.PID)
	parent = system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, started := ctx.Message().(*actor.Started); started {
			deadLetterActor := ctx.Spawn(actor.PropsFromProducer(func() actor.Actor { return disk }))
			spawned <- ctx.Spawn(endpoint.Props(letters, deadLetterActor))
		}
	}))
	return endpoint, system, parent, <-spawned
}

// rejectMany gives the endpoint so many events, all of which it gives up.
func rejectMany(t *testing.T, endpoint *Endpoint, events int) {
	t.Helper()
	require.NoError(t, endpoint.mailbox.Offer(newEvents(t, strings.Fields(strings.Repeat("e ", events))...)...))
	require.Eventually(t, func() bool { return endpoint.Stats().Of(delivery.DeadRejected) == uint64(events) }, 5*time.Second, time.Millisecond)
}

func requireKept(t *testing.T, letters *store.DeadLetters, events int) {
	t.Helper()
	page, err := letters.List(context.Background(), store.DeadLetterQuery{Limit: 2 * events})
	require.NoError(t, err)
	require.Len(t, page.Letters, events)
}

func TestDeadLettersOnTheirWayOutliveAStopFromAbove(t *testing.T) {
	const events = 20
	letters := openLetters(t, config.DeadLetters{Dir: config.Path(t.TempDir())})
	disk := newSlowDisk(letters)
	endpoint, system, parent, _ := spawn(letters, disk, rejecting{})
	rejectMany(t, endpoint, events)
	stopped := system.Root.StopFuture(parent)
	<-endpoint.requests.Done() // the endpoint has begun to stop, and hears no answer any more
	close(disk.goOn)
	require.NoError(t, stopped.Wait())

	require.True(t, endpoint.backlog.Empty())
	require.Zero(t, endpoint.Stats().Lost)
	requireKept(t, letters, events)
}

func TestWhatIsHeldAtAStopFromAboveIsLostWithoutAFolder(t *testing.T) {
	const events = 20
	for name, c := range map[string]struct {
		dir  string
		lost uint64
	}{"files": {t.TempDir(), 0}, "memory": {"", events}} {
		t.Run(name, func(t *testing.T) {
			letters := openLetters(t, config.DeadLetters{Dir: config.Path(c.dir)})
			endpoint, system, parent, _ := spawn(letters, newSlowDisk(letters), hanging{})
			require.NoError(t, endpoint.mailbox.Offer(newEvents(t, strings.Fields(strings.Repeat("e ", events))...)...))
			require.Eventually(t, func() bool { return endpoint.Stats().InFlight > 0 }, 5*time.Second, time.Millisecond)
			require.NoError(t, system.Root.StopFuture(parent).Wait())
			require.Equal(t, c.lost, endpoint.Stats().Lost)
			require.EqualValues(t, events, endpoint.Stats().Total(delivery.KindDeadLettered))
			requireKept(t, letters, events)
		})
	}
}

func TestDrainEndsWhenTheLastDeadLetterIsKept(t *testing.T) {
	const events = 20
	letters := openLetters(t, config.DeadLetters{Dir: config.Path(t.TempDir())})
	disk := newSlowDisk(letters)
	endpoint, system, parent, pid := spawn(letters, disk, rejecting{})
	rejectMany(t, endpoint, events)
	system.Root.Send(pid, &Drain{Cutoff: time.Now().Add(time.Hour)})
	for kept := range int64(events) {
		require.Eventually(t, func() bool { return disk.asked.Load() == kept+1 }, 5*time.Second, time.Millisecond)
		require.NoError(t, endpoint.requests.Err(), "the endpoint has not stopped")
		disk.goOn <- struct{}{}
	}
	require.Eventually(t, endpoint.backlog.Empty, 5*time.Second, time.Millisecond)
	requireKept(t, letters, events)
	require.Zero(t, endpoint.Stats().Lost)
	require.NoError(t, system.Root.StopFuture(parent).Wait())
}

func TestDeadLetterIsKeptOnceHoweverOftenItIsAskedFor(t *testing.T) {
	for name, kept := range map[string]bool{"kept": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			letters := openLetters(t, config.DeadLetters{})
			request := &keepDeadLetter{letter: &store.DeadLetter{Endpoint: "a", Event: newEvent(t, "e")}, stopping: !kept}
			require.Equal(t, kept, request.in(letters))
			require.Equal(t, kept, request.in(letters))
			require.Len(t, letters.Latest(), 1)
		})
	}
}

func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
