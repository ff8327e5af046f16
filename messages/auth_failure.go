package messages

// AuthFailure tells that a client was refused at its login (auth.failure).
type AuthFailure struct {
	ClientID   string `json:"client_id"`
	Reason     string `json:"reason"`
	RemoteAddr string `json:"remote_addr"`
}

func (*AuthFailure) EventType() Type      { return TypeAuthFailure }
func (*AuthFailure) RoutingTopic() string { return "" }
func (e *AuthFailure) client() string     { return e.ClientID }

// check takes a client id that is empty: a login can be refused before the broker gave one.
func (*AuthFailure) check() error { return nil }

func (e *AuthFailure) textBytes() int { return texts(e.ClientID, e.Reason, e.RemoteAddr) }

func (e *AuthFailure) encode(o object) object {
	return o.text("client_id", e.ClientID).text("reason", e.Reason).text("remote_addr", e.RemoteAddr)
}
