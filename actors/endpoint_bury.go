package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/messages"
)

// buryIfDead gives the events that an attempt was about to the dead-letter actor, if that is their fate.
func (a *endpointActor) buryIfDead(ctx actor.Context, d *Delivery, v verdict) {
	if v.next == done && v.fate.Kind() == KindDeadLettered {
		a.buryPart(ctx, d, v.part, v.fate)
	}
}

func (a *endpointActor) buryAll(ctx actor.Context, d *Delivery, fate Fate) {
	for _, part := range d.parts() {
		a.buryPart(ctx, d, part, fate)
	}
}

func (a *endpointActor) buryPart(ctx actor.Context, d *Delivery, p part, fate Fate) {
	for _, arrival := range p.arrivals {
		b := &bury{letter: a.letter(d, arrival, p.attempts, fate), stopping: a.core.draining}
		a.burying[b] = struct{}{}
		ctx.Request(a.deadLetters.pid, b)
	}
}

func (a *endpointActor) leave(message *buried) {
	delete(a.burying, message.bury)
	a.backlog.Leave(message.bury.letter.Event, message.lost)
}

func (a *endpointActor) letter(d *Delivery, of arrival, attempts int, fate Fate) *messages.DeadLetter {
	return &messages.DeadLetter{
		Endpoint:   a.name,
		Event:      of.event,
		Attempts:   attempts,
		LastStatus: d.lastStatus,
		LastError:  d.lastError,
		Reason:     fate.Reason(),
		Time:       time.Now(),
	}
}

// halt accounts for what is left when the actor is stopped without a drain, or before its end. It keeps dead letters
// itself, because the dead-letter actor is being stopped as well.
func (a *endpointActor) halt() {
	a.timer.stop()
	a.cancel()
	a.attempts.Wait()
	a.backlog.Seal()
	for b := range a.burying {
		a.keep(b)
	}
	for d := range a.core.inFlight {
		a.backlog.Settle(d, DeadUnknownOutcome)
		a.buryAtOnce(d, DeadUnknownOutcome)
	}
	for _, d := range a.backlog.Abandon(time.Time{}, true) {
		a.buryAtOnce(d, DeadShutdown)
	}
	a.drops.LogRest(a.log, a.backlog)
	a.sender.Close()
}

func (a *endpointActor) buryAtOnce(d *Delivery, fate Fate) {
	for _, part := range d.parts() {
		for _, arrival := range part.arrivals {
			a.keep(&bury{letter: a.letter(d, arrival, part.attempts, fate), stopping: true})
		}
	}
}

func (a *endpointActor) keep(b *bury) {
	a.backlog.Leave(b.letter.Event, !a.deadLetters.keep(b))
}
