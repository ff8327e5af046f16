package store

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
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

// before chooses of the same letters those that were given up before now.
func (f DeadLetterFilter) before(now time.Time) DeadLetterFilter {
	if f.Until.IsZero() || now.Before(f.Until) {
		f.Until = now
	}
	f.Until = f.Until.UTC()
	return f
}

// DeadLetterQuery asks for a page of dead letters, the oldest first.
type DeadLetterQuery struct {
	DeadLetterFilter
	After uuid.UUID // the page begins after this id, whether or not its letter is still kept; the zero id is before all
	Limit int       // at most so many
}

// DeadLetterPage is what a query finds.
type DeadLetterPage struct {
	Letters []*DeadLetterRecord `json:"dead_letters"`
	Next    string              `json:"next,omitempty"`    // the id after which the next page begins; "": this is the last one
	Skipped int                 `json:"skipped,omitempty"` // letters that can't be read, of those looked at
}
