package store

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// DeadLetterRecord is a dead letter as it is read back.
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
	Event      json.RawMessage `json:"event,omitempty"` // in FluxMQ's JSON form; nil in a list
}
