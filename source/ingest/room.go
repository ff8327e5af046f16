package ingest

import (
	"errors"
	"slices"
	"sync"
	"time"
)

var (
	errNoRoom   = errors.New("too many requests at once")
	errTooLarge = errors.New("the body unfolds to more than a request may take")
)

// room is the bytes that all bodies under way may take together, as they arrive and as the events that they unfold to.
// Half of it is kept for the body that came first, which therefore never waits for the others; when it leaves, the next
// one is first. So bodies that each have a part and wait for more can't stand still.
type room struct {
	whole    int64         // twice what one body may take
	patience time.Duration // how long a body waits for room
	slow     time.Duration // how long a piece of a body may be on its way while others wait

	mu     sync.Mutex
	free   int64
	bodies []*share      // in the order in which they came
	freed  chan struct{} // closed, and made anew, when a body has given room back
}

// share is what one body has of the room.
type share struct {
	room *room
	cut  func() // ends the arrival of the body, from any goroutine

	held  int64
	since time.Time // when the piece that is on its way was begun; zero where none is
}

func newRoom(whole int64) *room {
	return &room{whole: whole, patience: roomPatience, slow: slowPiece, free: whole, freed: make(chan struct{})}
}

// enter begins a share that holds nothing yet. It ends with leave.
func (r *room) enter(cut func()) *share {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &share{room: r, cut: cut}
	r.bodies = append(r.bodies, s)
	return s
}

// take gets the share n bytes more. While there is no room it waits, and cuts the bodies whose bytes come slowly. It
// fails with errNoRoom when its patience ends, and with errTooLarge where one body may not take as much.
func (s *share) take(n int64) error {
	freed, err := s.tryTake(n)
	if freed == nil {
		return err
	}
	patience := time.NewTimer(s.room.patience)
	defer patience.Stop()
	look := time.NewTicker(s.room.slow / 8)
	defer look.Stop()
	for freed != nil {
		select {
		case <-freed:
		case <-look.C:
		case <-patience.C:
			return errNoRoom
		}
		freed, err = s.tryTake(n)
	}
	return err
}

// tryTake returns what to wait for where there is no room.
func (s *share) tryTake(n int64) (freed <-chan struct{}, err error) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	most := r.whole / 2
	if s.held+n > most {
		return nil, errTooLarge
	}
	if r.free-n < most && r.bodies[0] != s {
		r.cutSlow()
		return r.freed, nil
	}
	r.free -= n
	s.held += n
	return nil, nil
}

func (r *room) cutSlow() {
	for _, s := range r.bodies {
		if !s.since.IsZero() && time.Since(s.since) > r.slow {
			s.cut()
		}
	}
}

// awaitPiece says that the next piece of the body is on its way from now on.
func (s *share) awaitPiece() { s.mark(time.Now()) }

// awaitNothing says that the body's sender is not waited for.
func (s *share) awaitNothing() { s.mark(time.Time{}) }

func (s *share) mark(since time.Time) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.since = since
}

// giveBack returns n of the share's bytes to the room.
func (s *share) giveBack(n int64) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.giveBack(s, n)
}

// leave returns all of it.
func (s *share) leave() {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = slices.DeleteFunc(r.bodies, func(other *share) bool { return other == s })
	r.giveBack(s, s.held)
}

func (r *room) giveBack(s *share, n int64) {
	s.held -= n
	r.free += n
	close(r.freed)
	r.freed = make(chan struct{})
}
