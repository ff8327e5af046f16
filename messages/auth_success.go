package messages

// AuthSuccess tells that a client proved who it is (auth.success).
type AuthSuccess struct {
	ClientID   string `json:"client_id"`
	RemoteAddr string `json:"remote_addr"`
}

func (*AuthSuccess) EventType() Type      { return TypeAuthSuccess }
func (*AuthSuccess) RoutingTopic() string { return "" }
func (e *AuthSuccess) client() string     { return e.ClientID }

func (e *AuthSuccess) check() error { return checkField("client_id", e.ClientID, checkID) }

func (e *AuthSuccess) textBytes() int { return texts(e.ClientID, e.RemoteAddr) }

func (e *AuthSuccess) encode(o object) object {
	return o.text("client_id", e.ClientID).text("remote_addr", e.RemoteAddr)
}
