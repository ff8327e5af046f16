package messages

import "cmp"

// MessageRetained tells that a topic's retained message was set or cleared (message.retained).
type MessageRetained struct {
	Topic       string `json:"topic"`
	PayloadSize int    `json:"payload_size"`
	Cleared     bool   `json:"cleared"`
}

func (*MessageRetained) EventType() Type        { return TypeMessageRetained }
func (e *MessageRetained) RoutingTopic() string { return e.Topic }
func (*MessageRetained) client() string         { return "" }

func (e *MessageRetained) check() error {
	return cmp.Or(
		checkField("topic", e.Topic, checkTopicName),
		checkField("payload_size", e.PayloadSize, checkSize),
	)
}

func (e *MessageRetained) textBytes() int { return texts(e.Topic) }

func (e *MessageRetained) encode(o object) object {
	return o.text("topic", e.Topic).number("payload_size", e.PayloadSize).truth("cleared", e.Cleared)
}
