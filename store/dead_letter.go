package store

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
)

// DeadLetter is an event that was given up for one endpoint, and why.
type DeadLetter struct {
	ID         uuid.UUID          // its own, not the event's; given when it is kept
	Endpoint   string             // the endpoint's name
	Event      *messages.Envelope // what it did not get
	Attempts   int                // how often it was sent
	LastStatus int                // HTTP status of the latest answer; 0 where none came
	LastError  string             // what was wrong with the latest attempt; "" where there was none
	LastAnswer string             // the beginning of the answer that refused it (messages.Outcome.Answer); "" where it said nothing
	Reason     string             // rejected, max_attempts, give_up_after, panic, unknown_outcome or shutdown
	Time       time.Time          // when it was given up
}

// MarshalJSON writes the dead letter as it stands in a line of the file, with the event in FluxMQ's JSON form.
func (d *DeadLetter) MarshalJSON() ([]byte, error) {
	return marshalLine(deadLetterLine{
		ID:         d.ID,
		Endpoint:   d.Endpoint,
		Event:      d.Event.Body(),
		Attempts:   d.Attempts,
		LastStatus: d.LastStatus,
		LastError:  d.LastError,
		LastAnswer: d.LastAnswer,
		Reason:     d.Reason,
		Time:       timestampText(d.Time),
	})
}

type deadLetterLine struct {
	ID         uuid.UUID       `json:"id"`
	Endpoint   string          `json:"endpoint"`
	Event      json.RawMessage `json:"event"`
	Attempts   int             `json:"attempts"`
	LastStatus int             `json:"last_status,omitempty"`
	LastError  string          `json:"last_error,omitempty"`
	LastAnswer string          `json:"last_answer,omitempty"`
	Reason     string          `json:"reason"`
	Time       string          `json:"time"`
}

// timestampFormat is RFC 3339 with nine digits of fraction, so that timestamps sort as text.
const timestampFormat = "2006-01-02T15:04:05.000000000Z"

func timestampText(t time.Time) string { return t.UTC().Format(timestampFormat) }

func marshalLine(line any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // as the event was encoded, whose bytes it would change
	err := encoder.Encode(line)
	return text.Bytes(), err
}
