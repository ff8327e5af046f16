package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
)

// Bounds of the dead letters that stay in memory: the latest ones.
const (
	MaxDeadLetters      = 1000
	MaxDeadLettersBytes = 16 << 20
)

// ErrNotKept is why a dead letter is lost that nothing but the memory of a program that stops would keep.
var ErrNotKept = errors.New("the program stops, and nothing but its memory keeps the dead letter")

// MemoryLetters keeps the latest dead letters in memory, up to 1,000 or 16 MiB of events: those that were there before give
// way uncounted. Its methods may be called from any goroutine.
type MemoryLetters struct {
	mu       sync.Mutex
	letters  []*memoryLetter // in the order of their ids
	bytes    int
	stopping bool
}

type memoryLetter struct {
	*DeadLetter
	claimed bool
}

// NewMemoryLetters makes an empty one.
func NewMemoryLetters() *MemoryLetters { return &MemoryLetters{} }

// Stop tells that the program has begun to stop: a letter that is given up from now on is lost when it has.
func (m *MemoryLetters) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopping = true
}

// GiveUp implements Letters. It calls kept before it returns.
func (m *MemoryLetters) GiveUp(_ delivery.Place, letter *DeadLetter, kept func(error)) {
	kept(m.add(letter))
}

func (m *MemoryLetters) add(letter *DeadLetter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	letter.ID = newLetterID()
	m.letters = append(m.letters, &memoryLetter{DeadLetter: letter})
	m.bytes += letter.Event.Size()
	for len(m.letters) > MaxDeadLetters || m.bytes > MaxDeadLettersBytes {
		m.remove(0)
	}
	if m.stopping {
		return ErrNotKept
	}
	return nil
}

func (m *MemoryLetters) remove(i int) {
	m.bytes -= m.letters[i].Event.Size()
	m.letters = slices.Delete(m.letters, i, i+1)
}

// List implements Letters.
func (m *MemoryLetters) List(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error) {
	page := DeadLetterPage{Letters: []*DeadLetterRecord{}}
	if err := context.Cause(ctx); err != nil {
		return page, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	first, found := m.position(query.After)
	if found {
		first++
	}
	for _, letter := range m.letters[first:] {
		record := letter.Record(false)
		if letter.claimed || !query.Match(record) {
			continue
		}
		if len(page.Letters) == query.Limit {
			page.Next = page.Letters[query.Limit-1].ID.String()
			break
		}
		page.Letters = append(page.Letters, record)
	}
	return page, nil
}

// position is where the letter with this id is, or would be.
func (m *MemoryLetters) position(id uuid.UUID) (int, bool) {
	return slices.BinarySearchFunc(m.letters, id, func(letter *memoryLetter, id uuid.UUID) int {
		return bytes.Compare(letter.ID[:], id[:])
	})
}

// find is nil for a letter that is not there, or claimed.
func (m *MemoryLetters) find(id uuid.UUID) *memoryLetter {
	if i, found := m.position(id); found && !m.letters[i].claimed {
		return m.letters[i]
	}
	return nil
}

// Find implements Letters.
func (m *MemoryLetters) Find(ctx context.Context, id uuid.UUID) (*DeadLetterRecord, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	letter := m.find(id)
	if letter == nil {
		return nil, ErrNoDeadLetter
	}
	return letter.Record(true), nil
}

// TakeBack implements Letters.
func (m *MemoryLetters) TakeBack(ctx context.Context, id uuid.UUID) (*Claim, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	letter := m.find(id)
	if letter == nil {
		return nil, ErrNoDeadLetter
	}
	letter.claimed = true
	return &Claim{letter.DeadLetter, func(accepted bool) { m.endClaim(id, accepted) }}, nil
}

// endClaim does nothing for a letter that gave way meanwhile.
func (m *MemoryLetters) endClaim(id uuid.UUID, accepted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.position(id)
	switch {
	case !found:
	case accepted:
		m.remove(i)
	default:
		m.letters[i].claimed = false
	}
}

// Delete implements Letters.
func (m *MemoryLetters) Delete(ctx context.Context, ids []uuid.UUID) (int, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	deleted := 0
	for _, id := range ids {
		if i, found := m.position(id); found && !m.letters[i].claimed {
			m.remove(i)
			deleted++
		}
	}
	return deleted, nil
}

// Latest implements Letters.
func (m *MemoryLetters) Latest() []*DeadLetter {
	m.mu.Lock()
	defer m.mu.Unlock()
	var latest []*DeadLetter
	for _, letter := range m.letters {
		if !letter.claimed {
			latest = append(latest, letter.DeadLetter)
		}
	}
	return latest
}

// Tend implements Letters: no letter in memory is too old.
func (m *MemoryLetters) Tend() {}

// Deleted implements Letters.
func (m *MemoryLetters) Deleted() Deletions { return Deletions{} }
