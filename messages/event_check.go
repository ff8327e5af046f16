package messages

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// FieldError says what is wrong with one field of an event.
type FieldError struct {
	Field   string // as a path: "data.topic"
	Problem string // what is wrong, as the end of a sentence that begins with the field
}

func (e *FieldError) Error() string {
	return e.Field + ": " + e.Problem
}

func (e *ClientConnected) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("protocol", e.Protocol, oneOf(ProtocolMQTT3, ProtocolMQTT5)),
	)
}

func (e *ClientDisconnected) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("reason", e.Reason, oneOf(ReasonNormal, ReasonError, ReasonTimeout, ReasonTakeover)),
	)
}

func (e *ClientSessionTakeover) check() error {
	return checkField("client_id", e.ClientID, checkID)
}

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

func (e *MessageDelivered) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic", e.Topic, checkTopicName),
		checkField("qos", e.QoS, checkQoS),
		checkField("payload_size", e.PayloadSize, checkSize),
	)
}

func (e *MessageRetained) check() error {
	return cmp.Or(
		checkField("topic", e.Topic, checkTopicName),
		checkField("payload_size", e.PayloadSize, checkSize),
	)
}

func (e *SubscriptionCreated) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkSubscription),
		checkField("qos", e.QoS, checkQoS),
		checkField("subscription_id", e.SubscriptionID, checkSubscriptionID),
	)
}

func (e *SubscriptionRemoved) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkSubscription),
	)
}

func (e *AuthSuccess) check() error {
	return checkField("client_id", e.ClientID, checkID)
}

// check takes a client id that is empty: a login can be refused before the broker gave one.
func (*AuthFailure) check() error {
	return nil
}

func (e *AuthzPublishDenied) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic", e.Topic, checkTopicName),
	)
}

// check takes any filter that is not empty: a broker may deny a filter because it is invalid.
func (e *AuthzSubscribeDenied) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkTopicText),
	)
}

func checkField[T any](name string, value T, check func(T) error) error {
	if err := check(value); err != nil {
		return &FieldError{Field: "data." + name, Problem: err.Error()}
	}
	return nil
}

func checkProperties(properties []UserProperty) error {
	for i, property := range properties {
		field := fmt.Sprintf("user_properties[%d]", i)
		if err := cmp.Or(
			checkField(field+".name", property.Name, checkText),
			checkField(field+".value", property.Value, checkText),
		); err != nil {
			return err
		}
	}
	return nil
}

func checkID(id string) error {
	if id == "" {
		return errors.New("is required")
	}
	return nil
}

func checkQoS(qos byte) error {
	if qos > 2 {
		return fmt.Errorf("is %d, not 0, 1 or 2", qos)
	}
	return nil
}

func checkSize(size int) error {
	if size < 0 {
		return fmt.Errorf("is %d, less than 0", size)
	}
	return nil
}

// checkSubscriptionID checks by MQTT 5.0 §3.8.2.1.2; 0 stands for none.
func checkSubscriptionID(id int) error {
	if id < 0 || id > 268_435_455 {
		return fmt.Errorf("is %d, not 0 to 268,435,455", id)
	}
	return nil
}

func oneOf(allowed ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fmt.Errorf("is %.64q, not one of %s", value, strings.Join(allowed, ", "))
	}
}

func (e *ClientConnected) textBytes() int    { return texts(e.ClientID, e.Protocol, e.RemoteAddr) }
func (e *ClientDisconnected) textBytes() int { return texts(e.ClientID, e.Reason, e.RemoteAddr) }
func (e *ClientSessionTakeover) textBytes() int {
	return texts(e.ClientID, e.FromNode, e.ToNode)
}
func (e *MessagePublished) textBytes() int {
	return texts(e.ClientID, e.Topic) + base64.StdEncoding.EncodedLen(len(e.Payload)) + e.propertyBytes()
}
func (e *MessageDelivered) textBytes() int     { return texts(e.ClientID, e.Topic) }
func (e *MessageRetained) textBytes() int      { return texts(e.Topic) }
func (e *SubscriptionCreated) textBytes() int  { return texts(e.ClientID, e.TopicFilter) }
func (e *SubscriptionRemoved) textBytes() int  { return texts(e.ClientID, e.TopicFilter) }
func (e *AuthSuccess) textBytes() int          { return texts(e.ClientID, e.RemoteAddr) }
func (e *AuthFailure) textBytes() int          { return texts(e.ClientID, e.Reason, e.RemoteAddr) }
func (e *AuthzPublishDenied) textBytes() int   { return texts(e.ClientID, e.Topic, e.Reason) }
func (e *AuthzSubscribeDenied) textBytes() int { return texts(e.ClientID, e.TopicFilter, e.Reason) }

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

// texts bounds the JSON of the strings from above: what JSON escapes becomes six bytes.
func texts(values ...string) int {
	total := 0
	for _, value := range values {
		total += len(value)
		for _, r := range value {
			if escaped(r) {
				total += 5
			}
		}
	}
	return total
}

// escaped tells whether encoding/json writes the character as an escape; utf8.RuneError stands for a byte that is no
// UTF-8.
func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
}
