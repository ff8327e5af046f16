package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// Keeper is a disk, or what serves as one: it keeps what a Store hands it in groups. storetest.Run holds the tests that
// every Keeper passes. Commit, Reopen, Compact and Close are called by one goroutine, the others by any beside it.
type Keeper interface {
	// Commit does all that the group asks and syncs it, or fails. After a failure nobody knows how much of it is there:
	// Reopen follows, and then a group that asks for the same and more. So what is there already is put again, and what
	// is not there any more is ended without complaint.
	Commit(*Group) (Trimmed, error)
	// Reopen trusts nothing that memory, or the operating system's cache, holds of a Commit that failed.
	Reopen() error

	// Last is the highest numbers that were committed so far, also of what is gone since.
	Last() (Last, error)
	// Endpoints lists all endpoints of which something is kept, also an account alone.
	Endpoints() (map[string]EndpointRecord, error)
	// Held reads events of an endpoint that were accepted after the one with the given number, in the order of acceptance.
	// It stops before most would be exceeded, but not before the first event.
	Held(endpoint string, after uint64, most delivery.Volume) (HeldRecords, error)
	// Stubs is Held without bodies, of one class, up to so many.
	Stubs(endpoint string, class messages.Class, after uint64, most int) ([]delivery.Stub, error)

	// Letters finds dead letters by an index; its errors are ctx's and those of reading.
	Letters(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error)
	// Letter reads one dead letter with its event; ErrNoDeadLetter where there is none.
	Letter(ctx context.Context, id uuid.UUID) (*DeadLetterRecord, error)

	// Usage is how much room it takes.
	Usage() Usage
	// Compact gives room back to the file system, as far as it can.
	Compact() error
	// Close ends it. What was committed is safe before.
	Close() error
}

// Group is changes that are made together. They are made in the order of the fields: an event that is held and ended by
// the same group is not held after it.
type Group struct {
	Events    []EventRecord
	Holds     []HoldRecord
	Replays   []ReplayRecord
	Tries     []TriesRecord
	Letters   []LetterRecord
	Ends      []EndRecord
	Deleted   []uuid.UUID               // dead letters that are not wanted any more
	Trim      LetterBounds              // what dead letters may take after it; zero: all they want
	Endpoints map[string]EndpointRecord // as they are after it, of those that changed
}

// EventRecord is an event, kept once, however many endpoints hold it, until none does and no dead letter has it.
type EventRecord struct {
	Number uint64 // its own, in the whole store
	Event  *messages.Envelope
}

// HoldRecord tells that an endpoint holds an event.
type HoldRecord struct {
	Endpoint string
	delivery.Place
	Event  uint64 // EventRecord.Number
	Shared bool   // other endpoints may hold the event, too
	Size   int    // Envelope.Size
	At     time.Time
	Tries  delivery.Tries
}

// ReplayRecord makes a dead letter an event that its endpoint holds again. Of the hold, the number and the size of the
// event are the letter's.
type ReplayRecord struct {
	Letter uuid.UUID
	Hold   HoldRecord
}

// TriesRecord tells of the attempts of an event that is held.
type TriesRecord struct {
	Endpoint string
	delivery.Place
	Tries delivery.Tries
}

// LetterRecord makes an event that is held a dead letter.
type LetterRecord struct {
	delivery.Place
	Letter *DeadLetter // its Event is the one that is held there; its ID is of its Time, or of a later one if the clock was set back
}

// EndRecord tells that an event is held no more.
type EndRecord struct {
	Endpoint string
	delivery.Place
}

// EndpointRecord is what is known of an endpoint without looking at its events.
type EndpointRecord struct {
	delivery.Kept
	Account Account
}

// Last is where the numbers of a store go on.
type Last struct {
	Event  uint64    // EventRecord.Number
	Letter uuid.UUID // of a dead letter; ids are in the order of giving up
}

// Account is what became of the events that an endpoint accepted and the store knows of: Accepted is the sum of all else
// and of what is held.
type Account struct {
	Accepted       uint64            `json:"accepted"`
	AcceptedReplay uint64            `json:"accepted_replay,omitempty"` // of the accepted, replayed dead letters
	Delivered      uint64            `json:"delivered,omitempty"`
	Dropped        map[string]uint64 `json:"dropped,omitempty"`       // by reason
	DeadLettered   map[string]uint64 `json:"dead_lettered,omitempty"` // by reason
}

// Ended is how many of the accepted events are not held any more.
func (a *Account) Ended() uint64 {
	ended := a.Delivered
	for _, n := range a.Dropped {
		ended += n
	}
	for _, n := range a.DeadLettered {
		ended += n
	}
	return ended
}

// HeldRecords is what Held read.
type HeldRecords struct {
	Events  []delivery.Stored
	Damaged []DamagedRecord // between them, what can't be read, or is not what was written
	Through uint64          // all numbers up to this one were looked at
	More    bool            // it stopped there because of what it was to read at most
}

// DamagedRecord is an event of which the body is lost.
type DamagedRecord struct {
	delivery.Stub
	Err error
}

// LetterBounds bounds the dead letters: the oldest ones are deleted beyond it.
type LetterBounds struct {
	MaxBytes  int64     // 0: no bound
	OlderThan time.Time // zero: no bound
}

// Trimmed is what a Commit deleted of dead letters because of their bounds.
type Trimmed struct {
	MaxBytes, MaxAge uint64
}

// Usage is how much room a Keeper takes.
type Usage struct {
	FileBytes    int64 // of the file
	FreeBytes    int64 // of it, what would be given back by Compact, about
	Letters      int
	LetterBytes  int64
	WrittenBytes uint64 // to the disk, since it was opened
}
