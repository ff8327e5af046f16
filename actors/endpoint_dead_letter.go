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
	root, self := ctx.ActorSystem().Root, ctx.Self()
	for _, request := range a.requestsOf(v) {
		leave := request.kept
		request.kept = func(err error) {
			leave(err)
			root.Send(self, &deadLetterKept{request, err})
		}
		a.keeping[request] = struct{}{}
		ctx.Send(a.deadLetterActor, request)
	}
}

// requestsOf asks for a letter of each event. When it is kept, or lost, its event leaves the backlog, whether or not the
// endpoint's actor still hears of it.
func (a *endpointActor) requestsOf(v delivery.Verdict) []*keepDeadLetter {
	var requests []*keepDeadLetter
	places := v.Held()
	for i, event := range v.Events() {
		requests = append(requests, &keepDeadLetter{
			place:  places[i],
			letter: a.letter(event, v),
			kept:   func(err error) { a.backlog.Leave(event, err != nil) },
		})
	}
	return requests
}

// hear takes note that the backlog has got room, and that nobody needs to ask for the letter again.
func (a *endpointActor) hear(message *deadLetterKept) {
	delete(a.keeping, message.request)
	if message.err != nil {
		a.complaints.letterLost(time.Now(), a.log, message.err)
	}
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

// halt accounts for what is left when the actor is stopped without a drain, or before its end. It has dead letters kept
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
		request.by(a.deadLetters)
	}
	for _, v := range verdicts {
		for _, request := range a.requestsOf(v) {
			request.by(a.deadLetters)
		}
	}
	a.drops.LogRest(a.log, a.backlog)
	a.sender.Close()
}
