package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// DeadLetterRecord is a dead letter as it is read back, and what became of its replay.
type DeadLetterRecord struct {
	ID         uuid.UUID       `json:"id"`
	Time       time.Time       `json:"time"` // when it was given up
	Endpoint   string          `json:"endpoint"`
	EventID    string          `json:"event_id"`
	EventType  string          `json:"event_type"`
	Attempts   int             `json:"attempts"`
	LastStatus int             `json:"last_status,omitempty"`
	LastError  string          `json:"last_error,omitempty"`
	LastAnswer string          `json:"last_answer,omitempty"` // the beginning of the answer that refused it
	Reason     string          `json:"reason"`
	Replaying  bool            `json:"replaying,omitempty"` // its event is on its way to the endpoint again
	Replayed   *Replayed       `json:"replayed,omitempty"`  // nil: open
	Event      json.RawMessage `json:"event,omitempty"`     // in FluxMQ's JSON form; nil in a list
}

// legacyDeadLetter is the name space of the ids of lines that were written without one.
var legacyDeadLetter = uuid.MustParse("6f1f2d8e-7a0c-5b43-9a53-3c6f0f6f6d11")

// deadLetterIDStart begins every line of a dead letter that has an id.
const deadLetterIDStart = `{"id":"`

// deadLetterID is the id of a dead letter's line, without reading the rest of it. A line that was written before there
// were ids gets one that depends on nothing but its bytes.
func deadLetterID(line []byte) (uuid.UUID, error) {
	text, ok := bytes.CutPrefix(line, []byte(deadLetterIDStart))
	if !ok {
		return uuid.NewSHA1(legacyDeadLetter, line), nil
	}
	const length = len("00000000-0000-0000-0000-000000000000")
	if len(text) < length {
		return uuid.Nil, errors.New("the line ends in its id")
	}
	return uuid.ParseBytes(text[:length])
}

// parseDeadLetter reads the line of a dead letter; of its event no more than its id and type, and with withEvent its
// JSON.
func parseDeadLetter(line []byte, withEvent bool) (*DeadLetterRecord, error) {
	var given struct {
		Endpoint string `json:"endpoint"`
		Event    *struct {
			ID   string `json:"event_id"`
			Type string `json:"event_type"`
		} `json:"event"`
		Attempts   int    `json:"attempts"`
		LastStatus int    `json:"last_status"`
		LastError  string `json:"last_error"`
		LastAnswer string `json:"last_answer"`
		Reason     string `json:"reason"`
		Time       string `json:"time"`
	}
	id, err := deadLetterID(line)
	if err != nil {
		return nil, fmt.Errorf("read the id of a dead letter: %w", err)
	}
	if err := json.Unmarshal(line, &given); err != nil {
		return nil, fmt.Errorf("read a dead letter: %w", err)
	}
	if given.Endpoint == "" || given.Event == nil {
		return nil, errors.New("a dead letter has an endpoint and an event")
	}
	gaveUp, err := time.Parse(time.RFC3339Nano, given.Time)
	if err != nil {
		return nil, fmt.Errorf("read the time of a dead letter: %w", err)
	}
	record := &DeadLetterRecord{
		ID:         id,
		Time:       gaveUp,
		Endpoint:   given.Endpoint,
		EventID:    given.Event.ID,
		EventType:  given.Event.Type,
		Attempts:   given.Attempts,
		LastStatus: given.LastStatus,
		LastError:  given.LastError,
		LastAnswer: given.LastAnswer,
		Reason:     given.Reason,
	}
	if withEvent {
		record.Event, err = eventOfLine(line)
	}
	return record, err
}

func eventOfLine(line []byte) (json.RawMessage, error) {
	var given struct {
		Event json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(line, &given); err != nil {
		return nil, fmt.Errorf("read the event of a dead letter: %w", err)
	}
	return given.Event, nil
}

// Record is the dead letter as it would be read back from its line.
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
