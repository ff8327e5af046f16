package messages

// Event is one of the twelve typed events: a pointer to one of the structs of this package, and nothing else. Each type
// has a file of its own, named after it: what it tells, what must be true of it, and its JSON, which is read by the tags
// of its struct.
type Event interface {
	// EventType is the event's type.
	EventType() Type
	// RoutingTopic is what topic filters are matched with: the topic name; for an event that carries a subscription's
	// filter that filter, a leading "$share/GROUP/" taken off; "" for an event that has neither.
	RoutingTopic() string

	// client is ClientID's answer.
	client() string
	// check finds the first field that can't be true.
	check() error
	// textBytes bounds the JSON of the event's texts and payload from above.
	textBytes() int
	// encode writes the event's fields into the object "data", as encoding/json would by the structs' tags.
	encode(object) object
}

// ClientID is the id of the client that an event is about: the publisher or the subscriber of a message. It is "" for
// message.retained, which is about none, and where an auth.failure came before the broker gave one.
func ClientID(event Event) string { return event.client() }

// newEvent makes an empty event of a valid type.
func newEvent(t Type) Event { return types[t].event() }

func empty[T any, P interface {
	*T
	Event
}]() Event {
	return P(new(T))
}
