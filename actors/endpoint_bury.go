package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// bury gives the events to the dead-letter actor, if that is their fate.
func (a *endpointActor) bury(ctx actor.Context, v delivery.Verdict) {
	if !v.DeadLettered() {
		return
	}
	for _, event := range v.Events() {
		b := &bury{letter: a.letter(event, v), stopping: a.rules.Draining()}
		a.burying[b] = struct{}{}
		ctx.Request(a.deadLetters.pid, b)
	}
}

func (a *endpointActor) leave(message *buried) {
	delete(a.burying, message.bury)
	a.backlog.Leave(message.bury.letter.Event, message.lost)
}

func (a *endpointActor) letter(event *messages.Envelope, v delivery.Verdict) *messages.DeadLetter {
	return &messages.DeadLetter{
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
	verdicts := a.rules.Halt()
	for b := range a.burying {
		a.keep(b)
	}
	for _, v := range verdicts {
		for _, event := range v.Events() {
			a.keep(&bury{letter: a.letter(event, v), stopping: true})
		}
	}
	a.drops.LogRest(a.log, a.backlog)
	a.sender.Close()
}

func (a *endpointActor) keep(b *bury) {
	a.backlog.Leave(b.letter.Event, !a.deadLetters.keep(b))
}
