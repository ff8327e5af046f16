package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// RestoreEnvelope reads an event from the JSON that a dead letter keeps, as it was admitted: with its event_id, timestamp
// and broker_id, and no payload rule applied again. It believes what it reads, unlike ParseEnvelope, because the events of
// Go programs were not checked when they were taken either. An unknown field is an error, because it would be lost.
func RestoreEnvelope(text []byte) (*Envelope, error) {
	var kept struct {
		Type      string          `json:"event_type"`
		ID        string          `json:"event_id"`
		Timestamp time.Time       `json:"timestamp"`
		BrokerID  string          `json:"broker_id"`
		Data      json.RawMessage `json:"data"`
	}
	if err := decodeStrictly(text, &kept, ""); err != nil {
		return nil, err
	}
	eventType, err := ParseType(kept.Type)
	if err != nil {
		return nil, fmt.Errorf("event_type: %w", err)
	}
	if kept.ID == "" || len(kept.Data) == 0 || string(kept.Data) == "null" {
		return nil, errors.New("event_id and data are required")
	}
	event := newEvent(eventType)
	if err := decodeStrictly(kept.Data, event, "data."); err != nil {
		return nil, err
	}
	envelope := NewEnvelope(event)
	envelope.ID, envelope.Timestamp, envelope.BrokerID = kept.ID, kept.Timestamp.UTC(), kept.BrokerID
	envelope.size = envelopeBytes + texts(envelope.ID, envelope.BrokerID) + event.textBytes()
	return envelope, nil
}
