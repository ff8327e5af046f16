package messages

import "fmt"

// Type is one of the twelve kinds of event. Its text is the event_type of the JSON envelope.
type Type uint8

const (
	TypeClientConnected Type = iota + 1
	TypeClientDisconnected
	TypeClientSessionTakeover
	TypeMessagePublished
	TypeMessageDelivered
	TypeMessageRetained
	TypeSubscriptionCreated
	TypeSubscriptionRemoved
	TypeAuthSuccess
	TypeAuthFailure
	TypeAuthzPublishDenied
	TypeAuthzSubscribeDenied
)

// TypeCount is the number of event types. Every Type from 1 to TypeCount is valid, so that a table indexed by Type
// has TypeCount+1 places.
const TypeCount = int(TypeAuthzSubscribeDenied)

var typeNames = [TypeCount + 1]string{
	TypeClientConnected:       "client.connected",
	TypeClientDisconnected:    "client.disconnected",
	TypeClientSessionTakeover: "client.session_takeover",
	TypeMessagePublished:      "message.published",
	TypeMessageDelivered:      "message.delivered",
	TypeMessageRetained:       "message.retained",
	TypeSubscriptionCreated:   "subscription.created",
	TypeSubscriptionRemoved:   "subscription.removed",
	TypeAuthSuccess:           "auth.success",
	TypeAuthFailure:           "auth.failure",
	TypeAuthzPublishDenied:    "authz.publish_denied",
	TypeAuthzSubscribeDenied:  "authz.subscribe_denied",
}

// Types lists all event types, in the order of their constants.
func Types() []Type {
	types := make([]Type, TypeCount)
	for i := range types {
		types[i] = Type(i + 1)
	}
	return types
}

// ParseType finds the type with this text ("message.published"). It fails for any other text, wildcards included.
func ParseType(text string) (Type, error) {
	for _, t := range Types() {
		if typeNames[t] == text {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown event type %q", text)
}

// Valid tells whether t is one of the twelve types.
func (t Type) Valid() bool {
	return t >= 1 && int(t) <= TypeCount
}

// String is the event_type, "message.published" for one; an invalid Type says so.
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("invalid event type %d", uint8(t))
	}
	return typeNames[t]
}

// MarshalText implements encoding.TextMarshaler. It fails for an invalid type.
func (t Type) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("invalid event type %d", uint8(t))
	}
	return []byte(typeNames[t]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with ParseType.
func (t *Type) UnmarshalText(text []byte) error {
	parsed, err := ParseType(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}
