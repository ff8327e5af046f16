package actors

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
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

// slowDisk is a dead-letter actor that keeps letters when it is told to, and not before.
type slowDisk struct {
	deadLetterActor
	asked atomic.Int64
	goOn  chan struct{}
}

func newSlowDisk(letters store.Letters) *slowDisk {
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
func spawn(letters store.Letters, disk actor.Actor, sender Sender) (endpoint *Endpoint, system *actor.ActorSystem, parent, pid *actor.PID) {
	return spawnLogging(slog.New(slog.DiscardHandler), letters, disk, sender)
}

func spawnLogging(log *slog.Logger, letters store.Letters, disk actor.Actor, sender Sender) (endpoint *Endpoint, system *actor.ActorSystem, parent, pid *actor.PID) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	endpoint = NewEndpoint(webhook.Resolve()[0], sender, rand.Float64, log)
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

func requireKept(t *testing.T, letters store.Letters, events int) {
	t.Helper()
	page, err := letters.List(context.Background(), store.DeadLetterQuery{Limit: 2 * events})
	require.NoError(t, err)
	require.Len(t, page.Letters, events)
}

func TestDeadLettersOnTheirWayOutliveAStopFromAbove(t *testing.T) {
	const events = 20
	letters := store.NewMemoryLetters()
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

func TestWhatIsHeldAtAStopFromAboveIsLostWhereOnlyMemoryKeepsIt(t *testing.T) {
	const events = 20
	for name, c := range map[string]struct {
		stops bool // before the letters are given up
		lost  uint64
	}{"kept": {false, 0}, "lost": {true, events}} {
		t.Run(name, func(t *testing.T) {
			letters := store.NewMemoryLetters()
			endpoint, system, parent, _ := spawn(letters, newSlowDisk(letters), hanging{})
			require.NoError(t, endpoint.mailbox.Offer(newEvents(t, strings.Fields(strings.Repeat("e ", events))...)...))
			require.Eventually(t, func() bool { return endpoint.Stats().InFlight > 0 }, 5*time.Second, time.Millisecond)
			if c.stops {
				letters.Stop()
			}
			require.NoError(t, system.Root.StopFuture(parent).Wait())
			require.Equal(t, c.lost, endpoint.Stats().Lost)
			require.EqualValues(t, events, endpoint.Stats().Total(delivery.KindDeadLettered))
			require.True(t, endpoint.backlog.Empty())
			requireKept(t, letters, events)
		})
	}
}

// slowLetters keeps letters when it is told to, as a store does that has to write them first.
type slowLetters struct {
	*store.MemoryLetters
	mu   sync.Mutex
	kept []func()
}

func (s *slowLetters) GiveUp(place delivery.Place, letter *store.DeadLetter, kept func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, func() { s.MemoryLetters.GiveUp(place, letter, kept) })
}

// keep keeps all that it was given, and tells how many that were.
func (s *slowLetters) keep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, keep := range s.kept {
		keep()
	}
	events := len(s.kept)
	s.kept = nil
	return events
}

func TestDeadLettersThatAreKeptAfterTheirEndpointStoppedAreAccounted(t *testing.T) {
	const events = 20
	for name, lost := range map[string]uint64{"kept": 0, "lost": events} {
		t.Run(name, func(t *testing.T) {
			letters := &slowLetters{MemoryLetters: store.NewMemoryLetters()}
			endpoint, system, parent, _ := spawn(letters, &deadLetterActor{letters: letters, cancelDue: func() {}}, rejecting{})
			rejectMany(t, endpoint, events)
			require.NoError(t, system.Root.StopFuture(parent).Wait())
			require.False(t, endpoint.backlog.Empty())
			require.NotZero(t, endpoint.Stats().Bytes)
			if lost > 0 {
				letters.Stop()
			}
			require.Equal(t, events, letters.keep(), "each was given up once")
			require.True(t, endpoint.backlog.Empty())
			require.Equal(t, lost, endpoint.Stats().Lost)
			require.Zero(t, endpoint.Stats().Bytes)
		})
	}
}

// failing is Letters that can't keep any.
type failing struct{ *store.MemoryLetters }

func (failing) GiveUp(_ delivery.Place, _ *store.DeadLetter, kept func(error)) {
	kept(errors.New("no space left on device"))
}

func TestDeadLetterThatIsNotKeptIsLostAndToldOnceInAWhile(t *testing.T) {
	const events = 20
	letters := failing{store.NewMemoryLetters()}
	var log bytes.Buffer // which the endpoint's actor writes alone
	endpoint, system, parent, pid := spawnLogging(slog.New(slog.NewTextHandler(&log, nil)), letters, &deadLetterActor{letters: letters, cancelDue: func() {}}, rejecting{})
	rejectMany(t, endpoint, events)
	require.Eventually(t, func() bool { return endpoint.Stats().Lost == events }, 5*time.Second, time.Millisecond)
	system.Root.Send(pid, &Drain{Cutoff: time.Now().Add(time.Hour)})
	require.Eventually(t, func() bool { return endpoint.requests.Err() != nil }, 5*time.Second, time.Millisecond, "nothing is left to wait for")
	require.NoError(t, system.Root.StopFuture(parent).Wait())
	require.Equal(t, 1, strings.Count(log.String(), `msg="a dead letter is not kept" endpoint=a error="no space left on device"`), log.String())
}

func TestDrainEndsWhenTheLastDeadLetterIsKept(t *testing.T) {
	const events = 20
	letters := store.NewMemoryLetters()
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

func TestDeadLetterIsGivenUpOnceHoweverOftenItIsAskedFor(t *testing.T) {
	letters := store.NewMemoryLetters()
	told := 0
	request := &keepDeadLetter{letter: &store.DeadLetter{Endpoint: "a", Event: newEvent(t, "e")}, kept: func(error) { told++ }}
	request.by(letters)
	request.by(letters)
	require.Equal(t, 1, told)
	require.Len(t, letters.Latest(), 1)
}

func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
