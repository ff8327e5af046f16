package messages

import "cmp"

// MessageDelivered tells that the broker sent a message to a subscriber (message.delivered).
type MessageDelivered struct {
	ClientID    string `json:"client_id"` // the subscriber
	Topic       string `json:"topic"`
	QoS         byte   `json:"qos"`
	PayloadSize int    `json:"payload_size"`
}

func (*MessageDelivered) EventType() Type        { return TypeMessageDelivered }
func (e *MessageDelivered) RoutingTopic() string { return e.Topic }
func (e *MessageDelivered) client() string       { return e.ClientID }

func (e *MessageDelivered) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic", e.Topic, checkTopicName),
		checkField("qos", e.QoS, checkQoS),
		checkField("payload_size", e.PayloadSize, checkSize),
	)
}

func (e *MessageDelivered) textBytes() int { return texts(e.ClientID, e.Topic) }

func (e *MessageDelivered) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic", e.Topic).number("qos", int(e.QoS)).
		number("payload_size", e.PayloadSize)
}
