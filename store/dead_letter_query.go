package store

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Why a dead letter is not found, or not looked for.
var (
	ErrNoDeadLetter    = errors.New("no dead letter with this id is kept")
	ErrDeadLettersBusy = errors.New("too many look through the dead letters at this moment")
)

// DeadLetterFilter chooses dead letters: those for which all that is set here holds.
type DeadLetterFilter struct {
	IDs      []uuid.UUID `json:"ids,omitempty"`      // it is one of these
	Endpoint string      `json:"endpoint,omitempty"` // the endpoint's name
	Type     string      `json:"type,omitempty"`     // the event's type: "message.published"
	Since    time.Time   `json:"since,omitzero"`     // it was given up then or later
	Until    time.Time   `json:"until,omitzero"`     // it was given up before
	Error    string      `json:"error,omitempty"`    // a part of its last error or of its reason
}

// Match tells whether the filter chooses the letter.
func (f *DeadLetterFilter) Match(letter *DeadLetterRecord) bool {
	return f.MatchID(letter.ID) &&
		(f.Endpoint == "" || f.Endpoint == letter.Endpoint) &&
		(f.Type == "" || f.Type == letter.EventType) &&
		!letter.Time.Before(f.Since) &&
		(f.Until.IsZero() || letter.Time.Before(f.Until)) &&
		(f.Error == "" || strings.Contains(letter.LastError, f.Error) || strings.Contains(letter.Reason, f.Error))
}

// MatchID tells whether the filter may choose the letter with this id.
func (f *DeadLetterFilter) MatchID(id uuid.UUID) bool {
	return len(f.IDs) == 0 || slices.Contains(f.IDs, id)
}

// DeadLetterQuery asks for a page of dead letters, the oldest first.
type DeadLetterQuery struct {
	DeadLetterFilter
	Replayed Replays   // OpenOnly, unless it is set
	After    uuid.UUID // the page begins after this letter; the zero id is before all
	Limit    int       // at most so many
}

// Replays chooses dead letters by what became of their replay.
type Replays int

const (
	OpenOnly Replays = iota // those not replayed to an end
	ReplayedOnly
	OpenAndReplayed
)

// Match tells whether a letter is chosen that was, or was not, replayed to an end.
func (r Replays) Match(replayed bool) bool {
	return r == OpenAndReplayed || replayed == (r == ReplayedOnly)
}

// DeadLetterPage is what a query finds.
type DeadLetterPage struct {
	Letters []*DeadLetterRecord `json:"dead_letters"`
	Next    string              `json:"next,omitempty"`    // the id after which the next page begins; "": this is the last one
	Skipped int                 `json:"skipped,omitempty"` // lines that can't be read, of those looked at
}

// ReplayResult is what one replay did. The letters that it counts are open ones that its filter chose.
type ReplayResult struct {
	Accepted        int       `json:"accepted"`         // events that their endpoint took into its queue
	Left            int       `json:"left"`             // left for a later replay, because the queue of their endpoint is full
	Replaying       int       `json:"replaying"`        // being replayed already
	UnknownEndpoint int       `json:"unknown_endpoint"` // of endpoints that are not configured any more
	TooLarge        int       `json:"too_large"`        // larger than the queue of their endpoint
	Unreadable      int       `json:"unreadable"`       // whose event can't be read
	Skipped         int       `json:"skipped"`          // lines that can't be read at all
	Until           time.Time `json:"until"`            // letters given up later were not looked at
}
