package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const (
	// eventOverhead is what an event in memory counts beside its size.
	eventOverhead = 512
	// batchesInWindow is how many full batches a window holds at least: one goes out while the next is read.
	batchesInWindow = 2
	// stubsAtOnce is how many events behind the window are looked up together when one has to give way.
	stubsAtOnce = 64
)

// window is what a backlog with a journal holds in memory: the events that were accepted first. Of those behind it, which
// only the journal has, it knows how much room they take.
type window struct {
	bytes   int64  // that the events in memory may take
	horizon uint64 // what was accepted after the event with this number is behind
	behind  byClass
	evicted [messages.ClassCount]uint64     // of the class, nothing up to this number is behind any more
	stubs   [messages.ClassCount]FIFO[Stub] // of the class, the first that are behind, as far as they were looked up

	reading bool
	after   uint64    // where the latest reading began
	failed  time.Time // when the latest reading failed; zero: it did not
}

// holdsLessThan tells whether events in memory take less than one of so many parts of the window.
func (w *window) holdsLessThan(parts int, inMemory Volume, batch config.Batch) bool {
	events, bytes := parts*inMemory.Events, int64(parts)*inMemory.Bytes
	return events == 0 || bytes+int64(events)*eventOverhead < w.bytes ||
		batch.Batches() && events < batchesInWindow*batch.MaxEvents && bytes < batchesInWindow*int64(batch.MaxBytes)
}

// room is how much is to be read into the window, of events of that mean size.
func (w *window) room(inMemory Volume, batch config.Batch, meanSize int64) Volume {
	free := w.bytes - inMemory.Bytes - int64(inMemory.Events)*eventOverhead
	events := max(1, free/(max(meanSize, 0)+eventOverhead))
	room := Volume{Events: int(events), Bytes: max(1, free-events*eventOverhead)}
	if batch.Batches() {
		room.Events = max(room.Events, batchesInWindow*batch.MaxEvents-inMemory.Events)
		room.Bytes = max(room.Bytes, batchesInWindow*int64(batch.MaxBytes)-inMemory.Bytes)
	}
	return room
}

// isBehind tells whether the event is one that was behind until it was read.
func (w *window) isBehind(place Place) bool {
	return place.Number > max(w.horizon, w.evicted[place.Class])
}

// advance moves the horizon.
func (w *window) advance(to uint64) {
	w.horizon = to
	for class := range w.stubs {
		for stubs := &w.stubs[class]; stubs.Len() > 0 && stubs.At(0).Number <= to; {
			stubs.Pop()
		}
	}
}

// inMemory is the room of all that is not behind the window.
func (b *Backlog) inMemory() Volume {
	held, behind := b.held.total(), b.window.behind.total()
	return Volume{held.Events - behind.Events, held.Bytes - behind.Bytes}
}

// hasBehind tells whether something is behind the window.
func (w *window) hasBehind() bool { return w.behind != byClass{} }

// keepsBehind tells whether a newcomer goes behind the window.
func (b *Backlog) keepsBehind() bool {
	return b.journal != nil && (b.window.hasBehind() || !b.window.holdsLessThan(1, b.inMemory(), b.batch))
}

// sizeBehind is the size of the event of the class that is behind the window after so many others of it; false when it
// can't be looked up at this moment.
func (b *Backlog) sizeBehind(class messages.Class, after int) (size int, known bool) {
	stubs := &b.window.stubs[class]
	for after >= stubs.Len() {
		from := max(b.window.horizon, b.window.evicted[class])
		if stubs.Len() > 0 {
			from = stubs.At(stubs.Len() - 1).Number
		}
		more := b.journal.Behind(class, from, stubsAtOnce)
		if len(more) == 0 {
			return 0, false
		}
		for _, stub := range more {
			stubs.Push(stub)
		}
	}
	return stubs.At(after).Size, true
}

// evictBehind drops the oldest event of the class that is behind the window, which was looked up.
func (b *Backlog) evictBehind(class messages.Class) {
	stub, _ := b.window.stubs[class].Pop()
	b.window.evicted[class] = stub.Number
	b.dropBehind(stub, DroppedEvicted)
}

func (b *Backlog) dropBehind(stub Stub, fate Fate) {
	b.window.behind[stub.Class] = b.window.behind[stub.Class].subtract(stub.Size)
	b.held[stub.Class] = b.held[stub.Class].subtract(stub.Size)
	b.ledger.fates[fate]++
	b.journal.End(stub, fate)
}
