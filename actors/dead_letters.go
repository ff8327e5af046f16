package actors

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"

	"github.com/fluxmq/webhookd/store"
)

// DeadLettersProps describes the dead-letter actor, which has the letters kept one after the other.
func DeadLettersProps(letters *store.DeadLetters) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return &deadLetterActor{letters: letters, cancelDue: func() {}}
	})
}

// keepDeadLetter asks the dead-letter actor to keep a letter. It answers with deadLetterKept.
type keepDeadLetter struct {
	letter   *store.DeadLetter
	stopping bool // memory won't keep it: the program ends

	once sync.Once
	kept bool
}

type deadLetterKept struct {
	request *keepDeadLetter
	lost    bool
}

// in tells whether the letter is kept where it is safe. It is kept once: a stopped endpoint asks again for those of which
// it does not know whether the dead-letter actor came to them.
func (k *keepDeadLetter) in(letters *store.DeadLetters) bool {
	k.once.Do(func() { k.kept = letters.Keep(k.letter, k.stopping) })
	return k.kept
}

// replayEnded tells the dead-letter actor that there is the end of a replay to record.
type replayEnded struct{}

// tendDeadLetters is the delayed message that the dead-letter actor sends itself: letters get too old while none is kept.
type tendDeadLetters struct{}

const tendInterval = time.Hour

type deadLetterActor struct {
	letters   *store.DeadLetters
	cancelDue scheduler.CancelFunc // of the latest tendDeadLetters
}

// Receive implements actor.Actor.
func (a *deadLetterActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		root, self := ctx.ActorSystem().Root, ctx.Self()
		a.letters.OnReplayEnd(func() { root.Send(self, &replayEnded{}) })
		a.tendLater(ctx)
	case *keepDeadLetter:
		ctx.Respond(&deadLetterKept{request: message, lost: !message.in(a.letters)})
	case *replayEnded:
		a.letters.RecordReplayEnds()
	case *tendDeadLetters:
		a.letters.Tend()
		a.tendLater(ctx)
	case *actor.Stopping, *actor.Restarting:
		a.letters.OnReplayEnd(func() {}) // Close records what ends from now on
		a.cancelDue()
	}
}

func (a *deadLetterActor) tendLater(ctx actor.Context) {
	if a.letters.Age() {
		a.cancelDue = scheduler.NewTimerScheduler(ctx.ActorSystem().Root).SendOnce(tendInterval, ctx.Self(), &tendDeadLetters{})
	}
}
