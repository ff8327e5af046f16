package messages

import (
	"cmp"
	"encoding/base64"
	"fmt"
)

// MessagePublished tells that the broker took a client's message (message.published).
type MessagePublished struct {
	ClientID string `json:"client_id"`
	Topic    string `json:"topic"`
	QoS      byte   `json:"qos"`
	Retained bool   `json:"retained"`
	// PayloadSize is the payload's length in bytes. The router fills it in where it is 0 and Payload is there.
	PayloadSize int `json:"payload_size"`
	// Payload is left out unless include_payload is true and it has, together with the JSON of ContentType and
	// UserProperties, at most max_payload_bytes.
	Payload []byte `json:"payload,omitempty"`
	// PayloadOmitted tells that the payload, with content type and user properties, was larger than max_payload_bytes, or
	// that there were more user properties than MaxUserProperties and MaxUserPropertyBytes allow. The router sets it.
	PayloadOmitted bool `json:"payload_omitted,omitempty"`
	// ContentType is what the publisher says the payload is (MQTT 5.0 §3.3.2.3.9). It is left out together with Payload.
	ContentType string `json:"content_type,omitempty"`
	// UserProperties are what the publisher added (MQTT 5.0 §3.3.2.3.7), in its order. They are left out together with
	// Payload.
	UserProperties []UserProperty `json:"user_properties,omitempty"`
}

func (*MessagePublished) EventType() Type        { return TypeMessagePublished }
func (e *MessagePublished) RoutingTopic() string { return e.Topic }
func (e *MessagePublished) client() string       { return e.ClientID }

func (e *MessagePublished) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic", e.Topic, checkTopicName),
		checkField("qos", e.QoS, checkQoS),
		checkField("payload_size", e.PayloadSize, func(size int) error {
			if len(e.Payload) > 0 && size != 0 && size != len(e.Payload) {
				return fmt.Errorf("is %d, but the payload has %d bytes", size, len(e.Payload))
			}
			return checkSize(size)
		}),
		checkField("content_type", e.ContentType, checkText),
		checkProperties(e.UserProperties),
	)
}

func (e *MessagePublished) textBytes() int {
	return texts(e.ClientID, e.Topic) + base64.StdEncoding.EncodedLen(len(e.Payload)) + e.propertyBytes()
}

// limitPayload returns the event as it is sent, in a copy where it differs: who handed it over may have handed it to
// another router too.
func (a Admission) limitPayload(given *MessagePublished) *MessagePublished {
	carried := given.carriedBytes()
	if carried == 0 {
		return given
	}
	event := *given
	if event.PayloadSize == 0 {
		event.PayloadSize = len(event.Payload)
	}
	withheld := given.PayloadOmitted && len(given.Payload) == 0 // by who handed the event over
	tooLarge := carried > a.MaxPayloadBytes || checkPropertyBounds(given.UserProperties) != nil
	event.PayloadOmitted = withheld || a.IncludePayload && tooLarge
	if !a.IncludePayload || event.PayloadOmitted {
		event.Payload, event.ContentType, event.UserProperties = nil, "", nil
	}
	return &event
}

// carriedBytes is what counts against max_payload_bytes: the payload's length, and what the JSON of its content type and
// user properties may take. So an event within that limit needs no more room in a queue than one that has a payload only,
// whose base64 is a third longer than it is.
func (e *MessagePublished) carriedBytes() int {
	return len(e.Payload) + e.propertyBytes()
}

// propertyBytes bounds the JSON of content type and user properties from above, their keys included.
func (e *MessagePublished) propertyBytes() int {
	total := 0
	if e.ContentType != "" {
		total += len(`,"content_type":""`) + texts(e.ContentType)
	}
	if len(e.UserProperties) > 0 {
		total += len(`,"user_properties":[]`)
	}
	for _, property := range e.UserProperties {
		total += len(`,{"name":"","value":""}`) + texts(property.Name, property.Value)
	}
	return total
}

func (e *MessagePublished) encode(o object) object {
	o = o.text("client_id", e.ClientID).text("topic", e.Topic).number("qos", int(e.QoS)).truth("retained", e.Retained).
		number("payload_size", e.PayloadSize)
	if len(e.Payload) > 0 {
		o = o.payload("payload", e.Payload)
	}
	if e.PayloadOmitted {
		o = o.truth("payload_omitted", true)
	}
	if e.ContentType != "" {
		o = o.text("content_type", e.ContentType)
	}
	if len(e.UserProperties) > 0 {
		o = o.properties("user_properties", e.UserProperties)
	}
	return o
}
