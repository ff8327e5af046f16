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

// types is what is to be known of each type. A row that lacks a part does not compile.
var types = [TypeCount + 1]struct {
	name  string
	class Class
	event func() Event // makes an empty one
}{
	TypeClientConnected:       {"client.connected", ClassClient, empty[ClientConnected]},
	TypeClientDisconnected:    {"client.disconnected", ClassClient, empty[ClientDisconnected]},
	TypeClientSessionTakeover: {"client.session_takeover", ClassClient, empty[ClientSessionTakeover]},
	TypeMessagePublished:      {"message.published", ClassMessage, empty[MessagePublished]},
	TypeMessageDelivered:      {"message.delivered", ClassMessage, empty[MessageDelivered]},
	TypeMessageRetained:       {"message.retained", ClassMessage, empty[MessageRetained]},
	TypeSubscriptionCreated:   {"subscription.created", ClassClient, empty[SubscriptionCreated]},
	TypeSubscriptionRemoved:   {"subscription.removed", ClassClient, empty[SubscriptionRemoved]},
	TypeAuthSuccess:           {"auth.success", ClassAuth, empty[AuthSuccess]},
	TypeAuthFailure:           {"auth.failure", ClassAuth, empty[AuthFailure]},
	TypeAuthzPublishDenied:    {"authz.publish_denied", ClassAuth, empty[AuthzPublishDenied]},
	TypeAuthzSubscribeDenied:  {"authz.subscribe_denied", ClassAuth, empty[AuthzSubscribeDenied]},
}

// Types lists all event types, in the order of their constants.
func Types() []Type {
	all := make([]Type, TypeCount)
	for i := range all {
		all[i] = Type(i + 1)
	}
	return all
}

// ParseType finds the type with this text ("message.published"). It fails for any other text, wildcards included.
func ParseType(text string) (Type, error) {
	for _, t := range Types() {
		if types[t].name == text {
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
	return types[t].name
}

// MarshalText implements encoding.TextMarshaler. It fails for an invalid type.
func (t Type) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("invalid event type %d", uint8(t))
	}
	return []byte(types[t].name), nil
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
