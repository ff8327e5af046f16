package messages

import "cmp"

// Reasons of a ClientDisconnected.
const (
	ReasonNormal   = "normal"   // the client sent DISCONNECT
	ReasonError    = "error"    // the connection broke, or a side broke the protocol
	ReasonTimeout  = "timeout"  // nothing came for one and a half times the keep alive (MQTT 5.0 §3.1.2.10)
	ReasonTakeover = "takeover" // another connection took the client id over (MQTT 5.0 §3.1.4)
)

// ClientDisconnected tells that a connected client is gone (client.disconnected).
type ClientDisconnected struct {
	ClientID   string `json:"client_id"`
	Reason     string `json:"reason"` // ReasonNormal, ReasonError, ReasonTimeout or ReasonTakeover
	RemoteAddr string `json:"remote_addr"`
}

func (*ClientDisconnected) EventType() Type      { return TypeClientDisconnected }
func (*ClientDisconnected) RoutingTopic() string { return "" }
func (e *ClientDisconnected) client() string     { return e.ClientID }

func (e *ClientDisconnected) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("reason", e.Reason, oneOf(ReasonNormal, ReasonError, ReasonTimeout, ReasonTakeover)),
	)
}

func (e *ClientDisconnected) textBytes() int { return texts(e.ClientID, e.Reason, e.RemoteAddr) }

func (e *ClientDisconnected) encode(o object) object {
	return o.text("client_id", e.ClientID).text("reason", e.Reason).text("remote_addr", e.RemoteAddr)
}
