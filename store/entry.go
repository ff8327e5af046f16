package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// maxGathered is how many bytes of events may be gathered before the router waits: what a disk that hangs, or fails, may
// cost of memory.
const maxGathered = 64 << 20

// entry is an event that is not committed yet, with the holds of the endpoints that took it.
type entry struct {
	number   uint64
	event    *messages.Envelope
	replay   uuid.UUID // the dead letter that it was; uuid.Nil: none
	holds    []*hold
	open     int // holds that have not ended
	routed   bool
	since    time.Time // when it was gathered
	receipts []func(error)
}

// hold is one endpoint's hold of an entry.
type hold struct {
	held   *Held
	entry  *entry
	place  delivery.Place
	at     time.Time
	tries  delivery.Tries
	letter *letterToKeep // it was given up
	ended  bool
	state  holdState
}

type holdState uint8

const (
	gathered holdState = iota
	committing
	committed
)

func (h *hold) size() int { return h.entry.event.Size() }

// Route begins an event: the endpoints that take it until Routed share one body.
func (s *Store) Route(event *messages.Envelope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.routing = &entry{number: s.number, event: event}
}

// Routed ends what Route began, if anything. receipt, unless it is nil, is called when the event is safe, or with the reason
// why it is not.
func (s *Store) Routed(receipt func(error)) {
	s.mu.Lock()
	entry := s.routing
	s.routing = nil
	if entry == nil {
		s.mu.Unlock()
		return
	}
	safe, err := s.enter(entry, receipt)
	s.mu.Unlock()
	if safe && receipt != nil {
		receipt(err)
	}
}

// enter gathers an entry. It is true where its receipt is to be given at once.
func (s *Store) enter(entry *entry, receipt func(error)) (now bool, err error) {
	entry.routed = true
	if entry.open == 0 {
		return true, nil
	}
	s.gather.add(entry)
	if s.gather.open == 1 {
		s.awake()
	}
	if receipt != nil && s.failing != nil {
		return true, s.failing
	}
	if receipt != nil {
		entry.receipts = append(entry.receipts, receipt)
	}
	return false, nil
}

// Full tells whether the router has to wait: too much is gathered. OnRoom is called when it need not any more.
func (s *Store) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather.refused = s.gather.bytes > maxGathered
	return s.gather.refused
}

// OnRoom sets whom to tell, in any goroutine, that Full has changed. It has to return at once.
func (s *Store) OnRoom(tell func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRoom = tell
}

// MaxBytes is how many bytes of events may be held.
func (s *Store) MaxBytes() int64 { return s.maxHeld }

// Excess is by how many bytes the store would exceed MaxBytes if it held an event of this size more; 0 or less: it has room.
func (s *Store) Excess(size int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.maxHeld == 0 {
		return 0
	}
	return s.bytes + int64(size) - s.maxHeld
}
