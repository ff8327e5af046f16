package messages

import (
	"errors"
	"time"
)

// Stored is an admitted event as a store keeps it: all that is needed of it without reading its JSON.
type Stored struct {
	Type      Type
	ID        string
	Timestamp time.Time
	BrokerID  string
	Topic     string // Envelope.RoutingTopic
	Size      int    // Envelope.Size
	Body      []byte // Envelope.Body
}

// Stored is what a store keeps of an admitted event.
func (e *Envelope) Stored() Stored {
	return Stored{
		Type:      e.eventType,
		ID:        e.ID,
		Timestamp: e.Timestamp,
		BrokerID:  e.BrokerID,
		Topic:     e.topic,
		Size:      e.size,
		Body:      e.Body(),
	}
}

// StoredEnvelope makes the event again that Stored told of, with the same bytes, which are the envelope's from then on.
// Its JSON is not read before somebody asks for its Event. It fails where a store tells of none that was ever admitted.
func StoredEnvelope(stored Stored) (*Envelope, error) {
	if !stored.Type.Valid() || stored.ID == "" || stored.Size <= 0 || len(stored.Body) == 0 {
		return nil, errors.New("it was never admitted")
	}
	return &Envelope{
		ID:        stored.ID,
		Timestamp: stored.Timestamp.UTC(),
		BrokerID:  stored.BrokerID,
		eventType: stored.Type,
		topic:     stored.Topic,
		size:      stored.Size,
		body:      stored.Body,
	}, nil
}
