package store

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// replays are the dead letters that are being replayed, and those whose replay has ended without being recorded yet. Its
// lock is held for moments only, so that the fate of an event can be told under any other.
type replays struct {
	mu     sync.Mutex
	ids    map[uuid.UUID]struct{}           // of all of them
	events map[*messages.Envelope]uuid.UUID // on their way to an endpoint
	ended  delivery.FIFO[ReplayEnd]
	notify func() // tells that there is an end to record; it must return at once
}

func (r *replays) init() {
	r.ids = map[uuid.UUID]struct{}{}
	r.events = map[*messages.Envelope]uuid.UUID{}
	r.notify = func() {}
}

// listen sets whom to tell of ends that are to be recorded.
func (r *replays) listen(notify func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify = notify
}

// claim is false where the letter is being replayed already.
func (r *replays) claim(id uuid.UUID, event *messages.Envelope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, inProgress := r.ids[id]; inProgress {
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

// end takes note of an event's fate. Of a dead-lettered one it waits for deadLettered: its letter is closed when another keeps
// its event.
func (r *replays) end(event *messages.Envelope, fate delivery.Fate) {
	switch fate.Kind() {
	case delivery.KindDelivered:
		r.close(event, FateDelivered)
	case delivery.KindDropped:
		r.release(event)
	}
}

// deadLettered takes note that an event was dead-lettered, and whether its new letter is kept.
func (r *replays) deadLettered(event *messages.Envelope, kept bool) {
	if kept {
		r.close(event, FateDeadLettered)
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
	r.ended.Push(ReplayEnd{ID: id, Replayed: Replayed{Time: time.Now().UTC(), Fate: fate}})
	r.notify()
}

// firstEnded is what ended first of what is not recorded yet; false where all is.
func (r *replays) firstEnded() (ReplayEnd, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Len() == 0 {
		return ReplayEnd{}, false
	}
	return r.ended.At(0), true
}

// recorded takes note that firstEnded is written.
func (r *replays) recorded(end ReplayEnd) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.Pop()
	delete(r.ids, end.ID)
}

// inProgress are the letters that no replay may take at this moment.
func (r *replays) inProgress() map[uuid.UUID]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.ids)
}

// unrecorded are the letters whose replay has ended, which is not recorded yet.
func (r *replays) unrecorded() map[uuid.UUID]Replayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	unrecorded := map[uuid.UUID]Replayed{}
	for _, end := range r.ended.Items() {
		unrecorded[end.ID] = end.Replayed
	}
	return unrecorded
}
