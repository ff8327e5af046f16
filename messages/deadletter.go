package messages

import (
	"bytes"
	"encoding/json"
	"time"
)

// DeadLetter is an event that was given up for one endpoint, and why.
type DeadLetter struct {
	Endpoint   string    // the endpoint's name
	Event      *Envelope // what it did not get
	Attempts   int       // how often it was sent
	LastStatus int       // HTTP status of the latest answer; 0 where none came
	LastError  string    // what was wrong with the latest attempt; "" where there was none
	Reason     string    // rejected, max_attempts, panic, unknown_outcome or shutdown
	Time       time.Time // when it was given up
}

// MarshalJSON writes the dead letter as it stands in a line of the file, with the event as it was sent.
func (d *DeadLetter) MarshalJSON() ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // as the event was encoded, whose bytes it would change
	err := encoder.Encode(struct {
		Endpoint   string          `json:"endpoint"`
		Event      json.RawMessage `json:"event"`
		Attempts   int             `json:"attempts"`
		LastStatus int             `json:"last_status,omitempty"`
		LastError  string          `json:"last_error,omitempty"`
		Reason     string          `json:"reason"`
		Time       string          `json:"time"`
	}{d.Endpoint, d.Event.Body(), d.Attempts, d.LastStatus, d.LastError, d.Reason, string(appendTimestamp(nil, d.Time.UTC()))})
	return line.Bytes(), err
}
