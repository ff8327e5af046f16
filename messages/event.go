package messages

// Event is one of the twelve typed events: a pointer to one of the structs of this package, and nothing else.
type Event interface {
	// EventType is the event's type.
	EventType() Type
	// RoutingTopic is what topic filters are matched with: the topic name; for an event that carries a subscription's
	// filter that filter, a leading "$share/GROUP/" taken off; "" for an event that has neither.
	RoutingTopic() string

	// check finds the first field that can't be true.
	check() error
	// textBytes bounds the JSON of the event's texts and payload from above.
	textBytes() int
	// encode writes the event's fields into the object "data", as encoding/json would by the structs' tags.
	encode(object) object
}

// Protocols of a ClientConnected.
const (
	ProtocolMQTT3 = "mqtt3" // MQTT 3.1 and 3.1.1
	ProtocolMQTT5 = "mqtt5" // MQTT 5.0
)

// Reasons of a ClientDisconnected.
const (
	ReasonNormal   = "normal"   // the client sent DISCONNECT
	ReasonError    = "error"    // the connection broke, or a side broke the protocol
	ReasonTimeout  = "timeout"  // nothing came for one and a half times the keep alive (MQTT 5.0 §3.1.2.10)
	ReasonTakeover = "takeover" // another connection took the client id over (MQTT 5.0 §3.1.4)
)

// ClientConnected tells that a client's session was established (client.connected).
type ClientConnected struct {
	ClientID   string `json:"client_id"`
	Protocol   string `json:"protocol"` // ProtocolMQTT3 or ProtocolMQTT5
	CleanStart bool   `json:"clean_start"`
	KeepAlive  uint16 `json:"keep_alive"` // seconds, 0 for none
	RemoteAddr string `json:"remote_addr"`
}

// ClientDisconnected tells that a connected client is gone (client.disconnected).
type ClientDisconnected struct {
	ClientID   string `json:"client_id"`
	Reason     string `json:"reason"` // ReasonNormal, ReasonError, ReasonTimeout or ReasonTakeover
	RemoteAddr string `json:"remote_addr"`
}

// ClientSessionTakeover tells that a new connection took over the session of a client id (client.session_takeover).
// Within one node both nodes are the broker's id.
type ClientSessionTakeover struct {
	ClientID string `json:"client_id"`
	FromNode string `json:"from_node"`
	ToNode   string `json:"to_node"`
}

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
	// PayloadOmitted tells that the payload, with content type and user properties, was larger than max_payload_bytes. The
	// router sets it.
	PayloadOmitted bool `json:"payload_omitted,omitempty"`
	// ContentType is what the publisher says the payload is (MQTT 5.0 §3.3.2.3.9). It is left out together with Payload.
	ContentType string `json:"content_type,omitempty"`
	// UserProperties are what the publisher added (MQTT 5.0 §3.3.2.3.7), in its order. They are left out together with
	// Payload.
	UserProperties []UserProperty `json:"user_properties,omitempty"`
}

// UserProperty is one user property of a message. A name may occur more than once.
type UserProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// MessageDelivered tells that the broker sent a message to a subscriber (message.delivered).
type MessageDelivered struct {
	ClientID    string `json:"client_id"` // the subscriber
	Topic       string `json:"topic"`
	QoS         byte   `json:"qos"`
	PayloadSize int    `json:"payload_size"`
}

// MessageRetained tells that a topic's retained message was set or cleared (message.retained).
type MessageRetained struct {
	Topic       string `json:"topic"`
	PayloadSize int    `json:"payload_size"`
	Cleared     bool   `json:"cleared"`
}

// SubscriptionCreated tells that the broker granted a subscription (subscription.created).
type SubscriptionCreated struct {
	ClientID       string `json:"client_id"`
	TopicFilter    string `json:"topic_filter"`
	QoS            byte   `json:"qos"`
	SubscriptionID int    `json:"subscription_id,omitempty"` // MQTT 5.0 §3.8.2.1.2; 0 for none
}

// SubscriptionRemoved tells that a subscription ended (subscription.removed).
type SubscriptionRemoved struct {
	ClientID    string `json:"client_id"`
	TopicFilter string `json:"topic_filter"`
}

// AuthSuccess tells that a client proved who it is (auth.success).
type AuthSuccess struct {
	ClientID   string `json:"client_id"`
	RemoteAddr string `json:"remote_addr"`
}

// AuthFailure tells that a client was refused at its login (auth.failure).
type AuthFailure struct {
	ClientID   string `json:"client_id"`
	Reason     string `json:"reason"`
	RemoteAddr string `json:"remote_addr"`
}

// AuthzPublishDenied tells that a client may not publish to a topic (authz.publish_denied).
type AuthzPublishDenied struct {
	ClientID string `json:"client_id"`
	Topic    string `json:"topic"`
	Reason   string `json:"reason"`
}

// AuthzSubscribeDenied tells that a client may not subscribe to a filter (authz.subscribe_denied).
type AuthzSubscribeDenied struct {
	ClientID    string `json:"client_id"`
	TopicFilter string `json:"topic_filter"`
	Reason      string `json:"reason"`
}

func (*ClientConnected) EventType() Type       { return TypeClientConnected }
func (*ClientDisconnected) EventType() Type    { return TypeClientDisconnected }
func (*ClientSessionTakeover) EventType() Type { return TypeClientSessionTakeover }
func (*MessagePublished) EventType() Type      { return TypeMessagePublished }
func (*MessageDelivered) EventType() Type      { return TypeMessageDelivered }
func (*MessageRetained) EventType() Type       { return TypeMessageRetained }
func (*SubscriptionCreated) EventType() Type   { return TypeSubscriptionCreated }
func (*SubscriptionRemoved) EventType() Type   { return TypeSubscriptionRemoved }
func (*AuthSuccess) EventType() Type           { return TypeAuthSuccess }
func (*AuthFailure) EventType() Type           { return TypeAuthFailure }
func (*AuthzPublishDenied) EventType() Type    { return TypeAuthzPublishDenied }
func (*AuthzSubscribeDenied) EventType() Type  { return TypeAuthzSubscribeDenied }

func (*ClientConnected) RoutingTopic() string        { return "" }
func (*ClientDisconnected) RoutingTopic() string     { return "" }
func (*ClientSessionTakeover) RoutingTopic() string  { return "" }
func (e *MessagePublished) RoutingTopic() string     { return e.Topic }
func (e *MessageDelivered) RoutingTopic() string     { return e.Topic }
func (e *MessageRetained) RoutingTopic() string      { return e.Topic }
func (e *SubscriptionCreated) RoutingTopic() string  { return unshare(e.TopicFilter) }
func (e *SubscriptionRemoved) RoutingTopic() string  { return unshare(e.TopicFilter) }
func (*AuthSuccess) RoutingTopic() string            { return "" }
func (*AuthFailure) RoutingTopic() string            { return "" }
func (e *AuthzPublishDenied) RoutingTopic() string   { return e.Topic }
func (e *AuthzSubscribeDenied) RoutingTopic() string { return unshare(e.TopicFilter) }

func newEvent(t Type) Event {
	switch t {
	case TypeClientConnected:
		return new(ClientConnected)
	case TypeClientDisconnected:
		return new(ClientDisconnected)
	case TypeClientSessionTakeover:
		return new(ClientSessionTakeover)
	case TypeMessagePublished:
		return new(MessagePublished)
	case TypeMessageDelivered:
		return new(MessageDelivered)
	case TypeMessageRetained:
		return new(MessageRetained)
	case TypeSubscriptionCreated:
		return new(SubscriptionCreated)
	case TypeSubscriptionRemoved:
		return new(SubscriptionRemoved)
	case TypeAuthSuccess:
		return new(AuthSuccess)
	case TypeAuthFailure:
		return new(AuthFailure)
	case TypeAuthzPublishDenied:
		return new(AuthzPublishDenied)
	case TypeAuthzSubscribeDenied:
		return new(AuthzSubscribeDenied)
	}
	return nil
}
