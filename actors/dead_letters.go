package actors

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// DeadLettersProps describes the dead-letter actor, which has the letters kept, and tended now and then.
func DeadLettersProps(letters store.Letters) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return &deadLetterActor{letters: letters, cancelDue: func() {}}
	})
}

// keepDeadLetter asks the dead-letter actor to have a letter kept in place of the event that is held there.
type keepDeadLetter struct {
	place  delivery.Place
	letter *store.DeadLetter
	kept   func(error) // called once, from any goroutine

	once sync.Once
}

// by has the letter kept, once: a stopped endpoint does it for those to which the dead-letter actor may not have come.
func (k *keepDeadLetter) by(letters store.Letters) {
	k.once.Do(func() { letters.GiveUp(k.place, k.letter, k.kept) })
}

// deadLetterKept tells the endpoint's actor that a letter is kept, or why it never will be.
type deadLetterKept struct {
	request *keepDeadLetter
	err     error
}

// tendDeadLetters is the delayed message that the dead-letter actor sends itself: letters get too old while none is kept.
type tendDeadLetters struct{}

const tendInterval = time.Hour

type deadLetterActor struct {
	letters   store.Letters
	cancelDue scheduler.CancelFunc // of the latest tendDeadLetters
}

// Receive implements actor.Actor.
func (a *deadLetterActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		a.tendLater(ctx)
	case *keepDeadLetter:
		message.by(a.letters)
	case *tendDeadLetters:
		a.letters.Tend()
		a.tendLater(ctx)
	case *actor.Stopping, *actor.Restarting:
		a.cancelDue()
	}
}

func (a *deadLetterActor) tendLater(ctx actor.Context) {
	a.cancelDue = scheduler.NewTimerScheduler(ctx.ActorSystem().Root).SendOnce(tendInterval, ctx.Self(), &tendDeadLetters{})
}
