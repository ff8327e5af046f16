package messages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// envelopeBytes bounds the JSON of an envelope without its texts: keys, numbers, type and timestamp.
const envelopeBytes = 256

// Envelope is one event with what identifies it. Its ID, Timestamp and BrokerID may be set before it is handed to a
// router, which fills in those that are missing; from then on nothing of it changes, and any number of goroutines
// may use it.
type Envelope struct {
	ID        string    // event_id: 1 to 64 characters of A-Z a-z 0-9 _ -; a random UUID where it was not given
	Timestamp time.Time // timestamp
	BrokerID  string    // broker_id

	eventType Type
	topic     string
	size      int

	encoding sync.Mutex
	event    Event  // nil once body is there, so that a payload is never held twice
	body     []byte // nil until somebody asked for it
}

// NewEnvelope puts an event, which is the envelope's from then on, into an envelope that has no identity yet.
func NewEnvelope(event Event) *Envelope {
	return &Envelope{eventType: event.EventType(), topic: event.RoutingTopic(), event: event}
}

// Admission is how a router takes events in.
type Admission struct {
	BrokerID        string // of events that bring none
	IncludePayload  bool   // whether message.published keeps its payload, content type and user properties
	MaxPayloadBytes int    // how large they may be together; beyond it none of them is kept
}

// Admit gives the envelope the identity that it lacks and applies the payload rule, before the envelope is shared. One
// that was admitted before, a dead letter's for one, stays as it is. It fails for an envelope without an event, and with a
// *FieldError for a text of more than MaxTextBytes.
func (e *Envelope) Admit(a Admission, now time.Time) error {
	if e.size > 0 {
		return nil
	}
	if e.event == nil {
		return errors.New("the envelope holds no event")
	}
	if e.ID == "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return fmt.Errorf("make an event id: %w", err)
		}
		e.ID = id.String()
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	e.Timestamp = e.Timestamp.UTC()
	if e.BrokerID == "" {
		e.BrokerID = a.BrokerID
	}
	if err := e.checkLengths(); err != nil {
		return err
	}
	if published, ok := e.event.(*MessagePublished); ok {
		e.event = a.limitPayload(published)
	}
	e.size = envelopeBytes + texts(e.ID, e.BrokerID) + e.event.textBytes()
	return nil
}

func (e *Envelope) checkLengths() error {
	if err := checkTexts(e.event, checkLength); err != nil {
		return err
	}
	if err := checkLength(e.ID); err != nil {
		return &FieldError{"event_id", err.Error()}
	}
	if err := checkLength(e.BrokerID); err != nil {
		return &FieldError{"broker_id", err.Error()}
	}
	return nil
}

// Type is the event's type.
func (e *Envelope) Type() Type { return e.eventType }

// RoutingTopic is the event's RoutingTopic.
func (e *Envelope) RoutingTopic() string { return e.topic }

// Size is what an admitted event counts for in a bound of bytes: at least the length of its body, known without making
// it.
func (e *Envelope) Size() int { return e.size }

// Body is the JSON of an admitted event, made at the first call; every call returns the same bytes, which nobody may
// change.
func (e *Envelope) Body() []byte {
	e.encoding.Lock()
	defer e.encoding.Unlock()
	if e.body == nil {
		e.body, e.event = e.encode(), nil
	}
	return e.body
}

// Event is the event itself, which nobody may change. Where only its JSON is held any more it is read from that, and is
// another copy at each call.
func (e *Envelope) Event() (Event, error) {
	e.encoding.Lock()
	event, body := e.event, e.body
	e.encoding.Unlock()
	if event != nil {
		return event, nil
	}
	return decodeEvent(e.eventType, body)
}

// decodeEvent reads what encode wrote. It checks nothing: a program may have handed over what no sender may send.
func decodeEvent(eventType Type, body []byte) (Event, error) {
	event := newEvent(eventType)
	own := struct {
		Data any `json:"data"`
	}{event}
	if err := json.Unmarshal(body, &own); err != nil {
		return nil, fmt.Errorf("read an encoded event: %w", err)
	}
	return event, nil
}

func (e *Envelope) encode() []byte {
	o := append(make(object, 0, e.size), '{')
	o = o.text("event_type", e.eventType.String()).text("event_id", e.ID)
	o = append(appendTimestamp(append(o.next("timestamp"), '"'), e.Timestamp), '"')
	o = append(o.text("broker_id", e.BrokerID).next("data"), '{')
	return append(e.event.encode(o), '}', '}')
}

// appendTimestamp writes a UTC time by RFC 3339 with nine digits of fraction, so that timestamps sort as text. It is much
// faster than AppendFormat with a layout that says so, because RFC3339 has a way of its own there.
func appendTimestamp(to []byte, t time.Time) []byte {
	to = bytes.TrimSuffix(t.AppendFormat(to, time.RFC3339), []byte("Z"))
	const nanos = 1_000_000_000
	fraction := len(to)
	to = strconv.AppendInt(to, nanos+int64(t.Nanosecond()), 10)
	to[fraction] = '.' // in place of the 1 that keeps the leading zeros
	return append(to, 'Z')
}
