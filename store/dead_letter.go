package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
)

// DeadLetter is an event that was given up for one endpoint, and why.
type DeadLetter struct {
	ID         uuid.UUID          // its own, not the event's; given when it is given up
	Endpoint   string             // the endpoint's name
	Event      *messages.Envelope // what it did not get
	Attempts   int                // how often it was sent
	LastStatus int                // HTTP status of the latest answer; 0 where none came
	LastError  string             // what was wrong with the latest attempt; "" where there was none
	LastAnswer string             // the beginning of the answer that refused it (messages.Outcome.Answer); "" where it said nothing
	Reason     string             // rejected, max_attempts, give_up_after, panic, unknown_outcome, shutdown or max_age
	Time       time.Time          // when it was given up
}

// newLetterID is greater than all that the process made before, however the clock is set: a UUIDv7 (RFC 9562 §5.7).
func newLetterID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// Record is the dead letter as a list shows it, and with its event where that is asked for.
func (d *DeadLetter) Record(withEvent bool) *DeadLetterRecord {
	record := &DeadLetterRecord{
		ID:         d.ID,
		Time:       d.Time.UTC(),
		Endpoint:   d.Endpoint,
		EventID:    d.Event.ID,
		EventType:  d.Event.Type().String(),
		Attempts:   d.Attempts,
		LastStatus: d.LastStatus,
		LastError:  d.LastError,
		LastAnswer: d.LastAnswer,
		Reason:     d.Reason,
	}
	if withEvent {
		record.Event = d.Event.Body()
	}
	return record
}
