package messages

// ClientSessionTakeover tells that a new connection took over the session of a client id (client.session_takeover).
// Within one node both nodes are the broker's id.
type ClientSessionTakeover struct {
	ClientID string `json:"client_id"`
	FromNode string `json:"from_node"`
	ToNode   string `json:"to_node"`
}

func (*ClientSessionTakeover) EventType() Type      { return TypeClientSessionTakeover }
func (*ClientSessionTakeover) RoutingTopic() string { return "" }
func (e *ClientSessionTakeover) client() string     { return e.ClientID }

func (e *ClientSessionTakeover) check() error { return checkField("client_id", e.ClientID, checkID) }

func (e *ClientSessionTakeover) textBytes() int { return texts(e.ClientID, e.FromNode, e.ToNode) }

func (e *ClientSessionTakeover) encode(o object) object {
	return o.text("client_id", e.ClientID).text("from_node", e.FromNode).text("to_node", e.ToNode)
}
