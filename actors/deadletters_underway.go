package actors

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// replays are the dead letters that are being replayed, and those whose replay has ended and that are not yet marked. Its
// lock is held for moments only, so that the fate of an event can be told under any other.
type replays struct {
	mu     sync.Mutex
	ids    map[uuid.UUID]struct{}           // of all of them
	events map[*messages.Envelope]uuid.UUID // on their way to an endpoint
	owing  delivery.FIFO[messages.DeadLetterMark]
	notify func() // tells the dead-letter actor that a mark is owed; it must return at once
}

func (r *replays) init() {
	r.ids = map[uuid.UUID]struct{}{}
	r.events = map[*messages.Envelope]uuid.UUID{}
	r.notify = func() {}
}

// listen sets whom to tell of marks that are owed.
func (r *replays) listen(notify func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify = notify
}

// claim is false where the letter is being replayed already.
func (r *replays) claim(id uuid.UUID, event *messages.Envelope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, underWay := r.ids[id]; underWay {
		return false
	}
	r.ids[id] = struct{}{}
	r.events[event] = id
	return true
}

// release lets another replay have the letter.
func (r *replays) release(event *messages.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, replayed := r.events[event]; replayed {
		delete(r.ids, id)
		delete(r.events, event)
	}
}

// end takes note of an event's fate. Of a dead-lettered one it waits for buried: its letter is closed when another keeps
// its event.
func (r *replays) end(event *messages.Envelope, fate delivery.Fate) {
	switch fate.Kind() {
	case delivery.KindDelivered:
		r.close(event, messages.FateDelivered)
	case delivery.KindDropped:
		r.release(event)
	}
}

// buried takes note that an event was dead-lettered, and whether its new letter is kept.
func (r *replays) buried(event *messages.Envelope, kept bool) {
	if kept {
		r.close(event, messages.FateDeadLettered)
	} else {
		r.release(event)
	}
}

func (r *replays) close(event *messages.Envelope, fate string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, replayed := r.events[event]
	if !replayed {
		return
	}
	delete(r.events, event)
	r.owing.Push(messages.DeadLetterMark{ID: id, Replayed: messages.Replayed{Time: time.Now().UTC(), Fate: fate}})
	r.notify()
}

// nextMark is the mark that is owed longest; false where none is.
func (r *replays) nextMark() (messages.DeadLetterMark, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owing.Len() == 0 {
		return messages.DeadLetterMark{}, false
	}
	return r.owing.At(0), true
}

// marked takes note that nextMark is written.
func (r *replays) marked(mark messages.DeadLetterMark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owing.Pop()
	delete(r.ids, mark.ID)
}

// underWay are the letters that no replay may take at this moment.
func (r *replays) underWay() map[uuid.UUID]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.ids)
}

// owed are the letters whose replay has ended, and that have no mark yet.
func (r *replays) owed() map[uuid.UUID]messages.Replayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	owed := map[uuid.UUID]messages.Replayed{}
	for _, mark := range r.owing.Items() {
		owed[mark.ID] = mark.Replayed
	}
	return owed
}
