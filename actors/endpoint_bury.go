package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/messages"
)

// burial is the end of a dead-lettered event's way, which comes when the dead-letter actor has answered.
type burial struct {
	arrival
	fate Fate
}

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
		a.burying[b] = burial{arrival, fate}
		ctx.Request(a.deadLetters.pid, b)
	}
}

func (a *endpointActor) leave(message *buried) {
	buried := a.burying[message.bury]
	delete(a.burying, message.bury)
	a.depart(buried, message.lost)
}

// depart frees the room of a dead-lettered event. A replayed one that nothing keeps counts as dropped for whoever replayed
// it: the dead letter that it comes from has to stay.
func (a *endpointActor) depart(buried burial, lost bool) {
	a.backlog.Leave(buried.event, lost)
	if lost {
		buried.fate = DroppedRefused
	}
	buried.end(buried.fate)
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
	for b, buried := range a.burying {
		a.depart(buried, !a.deadLetters.keep(b))
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
			b := &bury{letter: a.letter(d, arrival, part.attempts, fate), stopping: true}
			a.depart(burial{arrival, fate}, !a.deadLetters.keep(b))
		}
	}
}
