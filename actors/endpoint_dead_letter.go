package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// deadLetter gives the events to the dead-letter actor, if that is their fate.
func (a *endpointActor) deadLetter(ctx actor.Context, v delivery.Verdict) {
	if !v.DeadLettered() {
		return
	}
	for _, event := range v.Events() {
		request := &keepDeadLetter{letter: a.letter(event, v), stopping: a.rules.Draining()}
		a.keeping[request] = struct{}{}
		ctx.Request(a.deadLetterActor, request)
	}
}

func (a *endpointActor) leave(message *deadLetterKept) {
	delete(a.keeping, message.request)
	a.backlog.Leave(message.request.letter.Event, message.lost)
}

func (a *endpointActor) letter(event *messages.Envelope, v delivery.Verdict) *store.DeadLetter {
	return &store.DeadLetter{
		Endpoint:   a.name,
		Event:      event,
		Attempts:   v.Attempts,
		LastStatus: v.LastStatus,
		LastError:  v.LastError,
		LastAnswer: v.LastAnswer,
		Reason:     v.Fate.Reason(),
		Time:       time.Now(),
	}
}

// halt accounts for what is left when the actor is stopped without a drain, or before its end. It keeps dead letters
// itself, because the dead-letter actor is being stopped as well.
func (a *endpointActor) halt() {
	a.timer.stop()
	a.cancel()
	a.attempts.Wait()
	for d := range a.marking {
		a.unmark(d)
	}
	verdicts := a.rules.Halt()
	for request := range a.keeping {
		a.keep(request)
	}
	for _, v := range verdicts {
		for _, event := range v.Events() {
			a.keep(&keepDeadLetter{letter: a.letter(event, v), stopping: true})
		}
	}
	a.drops.LogRest(a.log, a.backlog)
	a.sender.Close()
}

func (a *endpointActor) keep(request *keepDeadLetter) {
	a.backlog.Leave(request.letter.Event, !request.in(a.deadLetters))
}
