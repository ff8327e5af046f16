package actors

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// handDispatcher runs a mailbox when the test says so.
type handDispatcher struct{ scheduled []func() }

func (d *handDispatcher) Schedule(run func()) { d.scheduled = append(d.scheduled, run) }
func (d *handDispatcher) Throughput() int     { return 2 }

func (d *handDispatcher) runAll() {
	for len(d.scheduled) > 0 {
		run := d.scheduled[0]
		d.scheduled = d.scheduled[1:]
		run()
	}
}

// recorder is what an actor is given, and what it panicked over.
type recorder struct {
	handled   []any
	escalated []any
	receive   func(message any)
}

func (r *recorder) InvokeSystemMessage(message any) { r.invoke(message) }
func (r *recorder) InvokeUserMessage(message any)   { r.invoke(message) }
func (r *recorder) EscalateFailure(_, message any)  { r.escalated = append(r.escalated, message) }

func (r *recorder) invoke(message any) {
	r.handled = append(r.handled, message)
	if r.receive != nil {
		r.receive(message)
	}
}

func newTestMailbox(policy config.DropPolicy) (*Mailbox, *handDispatcher, *recorder) {
	admit := func(message any) (*messages.Envelope, bool, error) {
		if _, bad := message.(error); bad {
			return nil, true, errors.New("no event")
		}
		return admitEnvelope(message)
	}
	mailbox := NewMailbox(delivery.NewBacklog(delivery.Bounds{Events: 3, Bytes: 1 << 20, Policy: policy}), admit)
	dispatcher, actorOf := &handDispatcher{}, &recorder{}
	mailbox.RegisterHandlers(actorOf, dispatcher)
	return mailbox, dispatcher, actorOf
}

func TestControlMessagesPassAFullBacklog(t *testing.T) {
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		mailbox, dispatcher, actorOf := newTestMailbox(policy)
		for i := range 10 {
			mailbox.PostUserMessage(newEvent(t, fmt.Sprint(i)))
			mailbox.PostUserMessage(i)
		}
		dispatcher.runAll()
		require.Equal(t, []any{0, 1, 2, dropped, 3, 4, 5, 6, 7, 8, 9}, actorOf.handled)
		require.Equal(t, 3, mailbox.UserMessageCount(), "the events wait until the actor takes them")
		require.EqualValues(t, 7, mailbox.backlog.Ledger().Total(delivery.KindDropped))
	}
}

func TestSystemMessagesGoFirstAndEachLaneKeepsItsOrder(t *testing.T) {
	mailbox, dispatcher, actorOf := newTestMailbox(config.DropOldest)
	mailbox.PostUserMessage("c1")
	mailbox.PostSystemMessage("s1")
	mailbox.PostUserMessage(&actor.MessageEnvelope{Message: "c2"})
	mailbox.PostSystemMessage("s2")
	require.Len(t, dispatcher.scheduled, 1, "one run handles all")
	dispatcher.runAll()
	require.Equal(t, []any{"s1", "s2", "c1", &actor.MessageEnvelope{Message: "c2"}}, actorOf.handled)
	mailbox.PostUserMessage("c3")
	require.Len(t, dispatcher.scheduled, 1, "an idle mailbox is scheduled again")
}

func TestSuspendedMailboxHandsOutSystemMessagesOnly(t *testing.T) {
	mailbox, dispatcher, actorOf := newTestMailbox(config.DropOldest)
	mailbox.PostSystemMessage(&actor.SuspendMailbox{})
	mailbox.PostUserMessage("control")
	mailbox.PostSystemMessage("system")
	dispatcher.runAll()
	require.Equal(t, []any{"system"}, actorOf.handled)
	require.Equal(t, 1, mailbox.UserMessageCount())
	mailbox.PostSystemMessage(&actor.ResumeMailbox{})
	dispatcher.runAll()
	require.Equal(t, []any{"system", "control"}, actorOf.handled)
}

func TestPanicEndsNoMoreThanOneMessage(t *testing.T) {
	mailbox, dispatcher, actorOf := newTestMailbox(config.DropOldest)
	actorOf.receive = func(message any) {
		if message == "bad" {
			panic(message)
		}
	}
	for _, message := range []string{"a", "bad", "b", "bad", "c"} {
		mailbox.PostUserMessage(message)
	}
	dispatcher.runAll()
	require.Equal(t, []any{"a", "bad", "b", "bad", "c"}, actorOf.handled)
	require.Equal(t, []any{"bad", "bad"}, actorOf.escalated)
}

func TestEventsThatAreRefusedAreCountedAndToldOnce(t *testing.T) {
	mailbox, dispatcher, actorOf := newTestMailbox(config.DropOldest)
	mailbox.PostUserMessage(errors.New("invalid"))
	mailbox.PostUserMessage(errors.New("invalid"))
	mailbox.backlog.Seal()
	mailbox.PostUserMessage(newEvent(t, "late"))
	mailbox.PostUserMessage(&actor.MessageEnvelope{Message: newEvent(t, "late, with a sender")})
	require.ErrorIs(t, mailbox.Offer(newEvent(t, "late, from a goroutine")), messages.ErrClosed)
	dispatcher.runAll()
	require.Equal(t, []any{dropped}, actorOf.handled)
	require.Equal(t, map[string]uint64{"invalid": 2, "closed": 3}, mailbox.backlog.Ledger().ByReason(delivery.KindDropped))
}

// takeAll hands out and settles what waits, and tells how many events that were.
func takeAll(b *delivery.Backlog) (events uint64) {
	for event, _ := b.TakeEvent(); event != nil; event, _ = b.TakeEvent() {
		b.SettleEvent(event, delivery.Routed)
		events++
	}
	return events
}

func TestManyProducersLoseAndDoubleNothing(t *testing.T) {
	const producers, each = 8, 2000
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		t.Run(string(policy), func(t *testing.T) {
			backlog := delivery.NewBacklog(delivery.Bounds{Events: 100, Bytes: 1 << 20, Policy: policy})
			mailbox := NewMailbox(backlog, admitEnvelope)
			var controls, taken atomic.Uint64
			system := quietSystem()
			pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started, *Available:
					taken.Add(takeAll(backlog))
				case string:
					controls.Add(1)
				}
			}, actor.WithMailbox(func() actor.Mailbox { return mailbox })))

			event := newEvent(t, "e")
			var producing sync.WaitGroup
			for producer := range producers {
				producing.Go(func() {
					for range each {
						if producer%2 == 0 {
							_ = mailbox.Offer(event)
						} else {
							system.Root.Send(pid, event)
						}
						system.Root.Send(pid, "control")
					}
				})
			}
			producing.Wait()
			require.NoError(t, system.Root.PoisonFuture(pid).Wait()) // the last of the control messages

			require.EqualValues(t, producers*each, controls.Load())
			require.True(t, backlog.Empty(), "the actor heard of every event")
			ledger := backlog.Ledger()
			require.Zero(t, ledger.Held())
			require.EqualValues(t, producers*each, ledger.Accepted)
			require.Equal(t, taken.Load(), ledger.Of(delivery.Routed))
			require.Equal(t, ledger.Accepted, ledger.Of(delivery.Routed)+ledger.Total(delivery.KindDropped))
		})
	}
}
