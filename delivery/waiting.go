package delivery

import (
	"math"

	"github.com/fluxmq/webhookd/messages"
)

// waiting are the events never sent by this process that are in memory, in the order of acceptance over all classes. Each class is found by itself, so that
// the oldest of one can give way.
type waiting struct {
	byClass [messages.ClassCount]FIFO[arrival]
	events  int
	bytes   int64
}

func (w *waiting) push(a arrival) {
	w.byClass[a.event.Type().Class()].Push(a)
	w.events++
	w.bytes += int64(a.event.Size())
}

// pop takes the event that was accepted first; false when there is none.
func (w *waiting) pop() (arrival, bool) {
	if w.events == 0 {
		return arrival{}, false
	}
	return w.popOf(w.oldestClass())
}

// popOf takes the event of the class that was accepted first; false when there is none.
func (w *waiting) popOf(class messages.Class) (arrival, bool) {
	a, ok := w.byClass[class].Pop()
	if ok {
		w.events--
		w.bytes -= int64(a.event.Size())
	}
	return a, ok
}

// first is what pop takes next. There must be an event.
func (w *waiting) first() arrival { return w.byClass[w.oldestClass()].At(0) }

func (w *waiting) oldestClass() messages.Class {
	oldest, number := messages.ClassMessage, uint64(math.MaxUint64)
	for class := range messages.ClassCount {
		if queue := &w.byClass[class]; queue.Len() > 0 && queue.At(0).number < number {
			oldest, number = class, queue.At(0).number
		}
	}
	return oldest
}
