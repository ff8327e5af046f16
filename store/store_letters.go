package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// letterToKeep is a dead letter that is not committed yet.
type letterToKeep struct {
	record LetterRecord
	kept   func(error)
}

// GiveUp implements Letters.
func (s *Store) GiveUp(place delivery.Place, letter *DeadLetter, kept func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	letter.ID = s.ids.next()
	s.latest.add(letter)
	h := s.held[letter.Endpoint]
	keep := &letterToKeep{record: LetterRecord{place, letter}, kept: kept}
	s.bytes -= int64(letter.Event.Size())
	if hold := h.uncommitted[place.Number]; hold != nil && hold.state == gathered {
		hold.letter = keep // it is written with its event
		return
	}
	h.record.Account.DeadLettered[letter.Reason]++
	h.record.release(delivery.Stub{Place: place, Size: letter.Event.Size()})
	s.gather.giveUp(h, keep)
	s.awake()
}

// letterBounds are what dead letters may take after the next group.
func (s *Store) letterBounds(trim bool) LetterBounds {
	if !trim {
		return LetterBounds{}
	}
	bounds := LetterBounds{MaxBytes: int64(s.bounds.MaxBytes)}
	if s.bounds.MaxAge > 0 {
		bounds.OlderThan = time.Now().Add(-s.bounds.MaxAge)
	}
	return bounds
}

// Tend implements Letters.
func (s *Store) Tend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather.begin()
	s.gather.trim = true
	s.awake()
}

// Deleted implements Letters.
func (s *Store) Deleted() Deletions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted
}

// Latest implements Letters.
func (s *Store) Latest() []*DeadLetter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest.items()
}

// List implements Letters.
func (s *Store) List(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error) {
	if err := s.sync(ctx); err != nil {
		return DeadLetterPage{}, err
	}
	page, err := s.keeper.Letters(ctx, query)
	s.mu.Lock()
	defer s.mu.Unlock()
	page.Letters = slices.DeleteFunc(page.Letters, func(record *DeadLetterRecord) bool { return s.claimed(record.ID) })
	return page, err
}

// Find implements Letters.
func (s *Store) Find(ctx context.Context, id uuid.UUID) (*DeadLetterRecord, error) {
	if err := s.sync(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	claimed := s.claimed(id)
	s.mu.Unlock()
	if claimed {
		return nil, ErrNoDeadLetter
	}
	return s.keeper.Letter(ctx, id)
}

func (s *Store) claimed(id uuid.UUID) bool {
	_, found := s.claims.ids[id]
	return found
}

// claim keeps others from the letter; false where they were first.
func (s *Store) claim(id uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimed(id) {
		return false
	}
	s.claims.ids[id] = struct{}{}
	return true
}

func (s *Store) release(ids ...uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.claims.ids, id)
	}
}

// TakeBack implements Letters.
func (s *Store) TakeBack(ctx context.Context, id uuid.UUID) (*Claim, error) {
	if !s.claim(id) {
		return nil, ErrNoDeadLetter
	}
	letter, err := s.letter(ctx, id)
	if err != nil {
		s.release(id)
		return nil, err
	}
	s.mu.Lock()
	s.claims.events[letter.Event] = id
	s.mu.Unlock()
	return &Claim{Letter: letter, end: func(accepted bool) {
		if !accepted {
			s.release(id)
		}
		s.mu.Lock()
		delete(s.claims.events, letter.Event)
		s.mu.Unlock()
	}}, nil
}

func (s *Store) letter(ctx context.Context, id uuid.UUID) (*DeadLetter, error) {
	record, err := s.keeper.Letter(ctx, id)
	if err != nil {
		return nil, err
	}
	event, err := messages.RestoreEnvelope(record.Event)
	if err != nil {
		return nil, &UnreadableError{id, err}
	}
	return &DeadLetter{
		ID: id, Endpoint: record.Endpoint, Event: event, Attempts: record.Attempts, LastStatus: record.LastStatus,
		LastError: record.LastError, LastAnswer: record.LastAnswer, Reason: record.Reason, Time: record.Time,
	}, nil
}

// Delete implements Letters.
func (s *Store) Delete(ctx context.Context, ids []uuid.UUID) (int, error) {
	var deleted []uuid.UUID
	for _, id := range ids {
		if _, err := s.keeper.Letter(ctx, id); err == nil && s.claim(id) {
			deleted = append(deleted, id)
		}
	}
	s.mu.Lock()
	s.gather.delete(deleted...)
	s.mu.Unlock()
	if err := s.sync(ctx); err != nil {
		return 0, err
	}
	return len(deleted), nil
}
