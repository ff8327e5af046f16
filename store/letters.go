package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
)

// ErrNoDeadLetter is why a dead letter is not found.
var ErrNoDeadLetter = errors.New("no dead letter with this id is kept")

// Letters keeps the events that were given up. Its methods may be called from any goroutine.
type Letters interface {
	// GiveUp keeps a letter in place of the event that its endpoint holds there: one step. It gives the letter its ID,
	// which is greater than those before, and returns at once; kept is called, once and from any goroutine, when the letter
	// is safe, or with the reason why it never will be.
	GiveUp(place delivery.Place, letter *DeadLetter, kept func(error))
	// List finds letters without their events, the oldest first. A page may be empty though others follow it. Its errors are
	// ctx's; messages.ErrClosed after Close; and those of reading.
	List(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error)
	// Find returns one letter with its event. Its errors are List's and ErrNoDeadLetter.
	Find(ctx context.Context, id uuid.UUID) (*DeadLetterRecord, error)
	// TakeBack claims a letter, so that its event can be offered to its endpoint: until the claim ends nobody else finds
	// it. Its errors are Find's, and *UnreadableError.
	TakeBack(ctx context.Context, id uuid.UUID) (*Claim, error)
	// Delete deletes letters and counts those that there were. Its errors are List's.
	Delete(ctx context.Context, ids []uuid.UUID) (int, error)
	// Latest lists letters that are in memory, the oldest first, also after Close.
	Latest() []*DeadLetter
	// Tend deletes letters that are too old. It is to be called now and then.
	Tend()
	// Deleted is how many letters their bounds deleted so far.
	Deleted() Deletions
}

// Claim is a dead letter on its way back to its endpoint.
type Claim struct {
	Letter *DeadLetter
	end    func(accepted bool)
}

// End tells whether the endpoint took the event of the letter, which is no letter any more then; otherwise it is one
// again. It is called once.
func (c *Claim) End(accepted bool) { c.end(accepted) }

// UnreadableError tells that the event of a dead letter can't be read.
type UnreadableError struct {
	ID  uuid.UUID
	Err error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("read the event of dead letter %s: %v", e.ID, e.Err)
}

// Unwrap is what is wrong with the event.
func (e *UnreadableError) Unwrap() error { return e.Err }

// Deletions counts the dead letters that were deleted because of dead_letters.max_bytes and max_age.
type Deletions struct {
	MaxBytes uint64
	MaxAge   uint64
}
