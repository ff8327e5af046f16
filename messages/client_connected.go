package messages

import "cmp"

// Protocols of a ClientConnected.
const (
	ProtocolMQTT3 = "mqtt3" // MQTT 3.1 and 3.1.1
	ProtocolMQTT5 = "mqtt5" // MQTT 5.0
)

// ClientConnected tells that a client's session was established (client.connected).
type ClientConnected struct {
	ClientID   string `json:"client_id"`
	Protocol   string `json:"protocol"` // ProtocolMQTT3 or ProtocolMQTT5
	CleanStart bool   `json:"clean_start"`
	KeepAlive  uint16 `json:"keep_alive"` // seconds, 0 for none
	RemoteAddr string `json:"remote_addr"`
}

func (*ClientConnected) EventType() Type      { return TypeClientConnected }
func (*ClientConnected) RoutingTopic() string { return "" }
func (e *ClientConnected) client() string     { return e.ClientID }

func (e *ClientConnected) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("protocol", e.Protocol, oneOf(ProtocolMQTT3, ProtocolMQTT5)),
	)
}

func (e *ClientConnected) textBytes() int { return texts(e.ClientID, e.Protocol, e.RemoteAddr) }

func (e *ClientConnected) encode(o object) object {
	return o.text("client_id", e.ClientID).text("protocol", e.Protocol).truth("clean_start", e.CleanStart).
		number("keep_alive", int(e.KeepAlive)).text("remote_addr", e.RemoteAddr)
}
