package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"
)

// wake is the delayed message that an endpoint actor sends itself: something is due. There is one timer for all that an
// endpoint waits for, set to the earliest.
type wake struct {
	generation uint64
}

// wakeTimer is the timer behind wake. A message whose generation is not the timer's was overtaken by a later setting.
type wakeTimer struct {
	at         time.Time // zero: not set
	generation uint64
	cancel     scheduler.CancelFunc
}

func (t *wakeTimer) set(ctx actor.Context, now, at time.Time) {
	if at.Equal(t.at) {
		return
	}
	t.stop()
	t.at = at
	t.generation++
	t.cancel = scheduler.NewTimerScheduler(ctx.ActorSystem().Root).SendOnce(at.Sub(now), ctx.Self(), &wake{t.generation})
}

func (t *wakeTimer) stop() {
	if t.cancel != nil {
		t.cancel()
	}
	t.at, t.cancel = time.Time{}, nil
}

// rang tells whether the message is of the latest setting, which is then spent.
func (t *wakeTimer) rang(message *wake) bool {
	if message.generation != t.generation {
		return false
	}
	t.at, t.cancel = time.Time{}, nil
	return true
}
