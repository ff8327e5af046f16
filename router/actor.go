package router

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

const (
	// routedAtOnce is how many events are routed before the actor looks at its other messages.
	routedAtOnce = 64
	// An endpoint's actor that panics again and again restarts after 0.1s, 0.2s, 0.3s …, and after restartWindow without
	// a panic the delay begins anew.
	restartDelay  = 100 * time.Millisecond
	restartWindow = time.Minute
)

// routerActor is the root: it takes events from its mailbox, forwards each to the endpoints that want it, and supervises
// them.
type routerActor struct {
	log         *slog.Logger
	admission   messages.Admission
	table       *routingTable
	backlog     *delivery.Backlog
	mailbox     *actors.Mailbox
	matcher     *matcher
	endpoints   []*actors.Endpoint
	deadLetters store.Letters
	store       *store.Store               // nil: all is in memory
	absent      map[string]delivery.Volume // what the store holds for endpoints that are not configured: nobody takes of it
	done        chan struct{}              // closed when the actor has stopped

	pids            []*actor.PID // of endpoints, in their order
	deadLetterActor *actor.PID
	draining        bool
	drain           *actors.Drain      // not yet passed on: events are still queued before it
	routing         *messages.Envelope // what a panic would be blamed on
	receipt         func(error)        // that its sender waits for, or nil
	drops           actors.DropReport
	cancelTimer     scheduler.CancelFunc // of the latest dropsDue
}

// dropsDue is the delayed message that the router sends itself when it may log drops again.
type dropsDue struct{}

func (a *routerActor) props() *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return a },
		actor.WithMailbox(func() actor.Mailbox { return a.mailbox }),
		actor.WithSupervisor(actor.NewExponentialBackoffStrategy(restartWindow, restartDelay)),
	)
}

// Receive implements actor.Actor. It recovers by itself: a restart would stop all endpoints.
func (a *routerActor) Receive(ctx actor.Context) {
	defer a.recover()
	switch message := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actors.Available:
		a.route(ctx)
	case *actors.Dropped:
		a.drops.Pending = true
		a.reportDrops(ctx)
	case *dropsDue:
		a.reportDrops(ctx)
	case *actors.Drain:
		a.draining, a.drain = true, message
		a.route(ctx)
	case *actor.Terminated:
		a.stopAfterEndpoints(ctx)
	case *actor.Stopping, *actor.Restarting:
		a.stopTaking()
	case *actor.Stopped:
		close(a.done)
	}
}

// start runs the endpoints, once: a restart, which only a parent that restarts all its children orders, has stopped them
// with all they held, so the router stops as well rather than take events for nobody.
func (a *routerActor) start(ctx actor.Context) {
	if a.pids != nil {
		a.log.Error("the router was restarted from above, and stops: spawn another one")
		ctx.Stop(ctx.Self())
		return
	}
	a.matcher.log = a.log
	a.pids = make([]*actor.PID, 0, len(a.endpoints))
	a.deadLetterActor = ctx.Spawn(actors.DeadLettersProps(a.deadLetters))
	for _, endpoint := range a.endpoints {
		a.pids = append(a.pids, ctx.Spawn(endpoint.Props(a.deadLetters, a.deadLetterActor)))
	}
	a.route(ctx)
}

// route forwards what the mailbox holds; after the last event of a drain, the drain itself.
func (a *routerActor) route(ctx actor.Context) {
	for range routedAtOnce {
		if a.waitsForStore() {
			return
		}
		event, receipt := a.backlog.TakeEvent()
		if event == nil {
			a.drainEndpoints(ctx)
			return
		}
		a.receipt = receipt
		a.forward(ctx, event)
	}
	a.mailbox.Wake()
}

func (a *routerActor) forward(ctx actor.Context, event *messages.Envelope) {
	a.routing = event
	wanting := a.matcher.match(event)
	full := a.makeRoom(event, wanting)
	a.beginEntry(event)
	fate := delivery.Unwanted
	for _, endpoint := range wanting {
		fate = delivery.Routed
		if endpoint == full {
			a.endpoints[endpoint].Refuse()
			continue
		}
		ctx.Send(a.pids[endpoint], event)
	}
	a.routing = nil
	a.backlog.SettleEvent(event, fate)
	a.endEntry()
}

// giveReceipt tells the sender of the present event, if it waits for that, whether its event is safe.
func (a *routerActor) giveReceipt(err error) {
	if receipt := a.receipt; receipt != nil {
		a.receipt = nil
		receipt(err)
	}
}

func (a *routerActor) recover() {
	reason := recover()
	if reason == nil {
		return
	}
	a.log.Error("the router panicked, and goes on", "panic", reason, "stack", string(debug.Stack()))
	if a.routing != nil {
		a.backlog.SettleEvent(a.routing, delivery.DroppedPanic)
		a.routing = nil
		a.abandonEntry()
		a.giveReceipt(fmt.Errorf("the router panicked over the event: %v", reason))
	}
	a.mailbox.Wake()
}

func (a *routerActor) drainEndpoints(ctx actor.Context) {
	if a.drain == nil {
		return
	}
	a.stopKeeping()
	for _, child := range ctx.Children() {
		if !child.Equal(a.deadLetterActor) {
			ctx.Send(child, a.drain)
		}
	}
	a.drain = nil
	a.stopAfterEndpoints(ctx)
}

// stopAfterEndpoints stops the router when a drain has left it no child but the dead-letter actor.
func (a *routerActor) stopAfterEndpoints(ctx actor.Context) {
	if a.draining && a.drain == nil && len(ctx.Children()) == 1 {
		ctx.Stop(ctx.Self())
	}
}

// stopTaking accounts for the events that a stop without a drain leaves in the mailbox.
func (a *routerActor) stopTaking() {
	a.stopKeeping()
	a.backlog.Seal()
	for event, receipt := a.backlog.TakeEvent(); event != nil; event, receipt = a.backlog.TakeEvent() {
		a.backlog.SettleEvent(event, delivery.DroppedClosed)
		a.receipt = receipt
		a.giveReceipt(messages.ErrClosed)
	}
	a.drops.LogRest(a.log, a.backlog)
	if a.cancelTimer != nil {
		a.cancelTimer()
	}
}

// stopKeeping lets dead letters count as lost from now on that nothing but memory keeps.
func (a *routerActor) stopKeeping() {
	if memory, ok := a.deadLetters.(*store.MemoryLetters); ok {
		memory.Stop()
	}
}

func (a *routerActor) reportDrops(ctx actor.Context) {
	now := time.Now()
	a.drops.Log(now, a.log, a.backlog)
	if a.drops.Pending {
		a.cancelTimer = scheduler.NewTimerScheduler(ctx.ActorSystem().Root).
			SendOnce(a.drops.Next.Sub(now), ctx.Self(), &dropsDue{})
	}
}
