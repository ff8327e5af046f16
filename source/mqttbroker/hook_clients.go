package mqttbroker

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// connection is what the Hook must remember of a connected client.
type connection struct {
	client *mqtt.Client
	// refused tells that every hook asked so far refused the publish that is being processed.
	refused atomic.Bool
	// failed tells that the client's DISCONNECT gave another reason than a normal end.
	failed atomic.Bool

	telling sync.Mutex // held while its beginning or its end is told
	ended   bool       // its end was told

	mu      sync.Mutex
	filters map[string]struct{} // its subscriptions
}

// OnSessionEstablish tells auth.success: mochi calls it once a login was let in. What comes next is that mochi ends
// another connection of the same client id, so that end is told here, before client.connected.
func (h *Hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	h.notify(&messages.AuthSuccess{ClientID: cl.ID, RemoteAddr: cl.Net.Remote})
	if conn := h.latest.get(cl.ID); conn != nil {
		h.takenOver(conn)
	}
	h.deliveries.begin(cl.ID, cl.Properties.Clean)
}

// OnSessionEstablished tells client.connected. From here on mochi calls OnDisconnect without fail. A connection that was
// taken over before it got here is not told.
func (h *Hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	if cl.Closed() {
		return
	}
	conn := &connection{client: cl, filters: map[string]struct{}{}}
	for filter := range cl.State.Subscriptions.GetAll() {
		conn.filters[filter] = struct{}{}
	}
	conn.telling.Lock()
	defer conn.telling.Unlock()
	if before := h.latest.replace(cl.ID, conn); before != nil {
		h.takenOver(before)
	}
	h.connections.Store(cl, conn)
	h.notify(&messages.ClientConnected{
		ClientID:   cl.ID,
		Protocol:   protocol(cl),
		CleanStart: cl.Properties.Clean,
		KeepAlive:  cl.State.Keepalive,
		RemoteAddr: cl.Net.Remote,
	})
	h.deliveries.connected(cl.ID, h.handOver)
}

// OnDisconnect tells client.disconnected. A client that mochi loaded from a store was not connected, so its end is no
// event.
func (h *Hook) OnDisconnect(cl *mqtt.Client, _ error, expire bool) {
	if expire && !cl.IsTakenOver() {
		h.deliveries.forget(cl.ID)
	}
	value, connected := h.connections.LoadAndDelete(cl)
	if !connected {
		return
	}
	conn := value.(*connection)
	h.end(conn, conn.endReason(cl.StopCause()))
	h.latest.remove(cl.ID, conn)
}

// takenOver tells that another connection takes the client id over, unless the connection has ended otherwise before.
func (h *Hook) takenOver(conn *connection) {
	reason := messages.ReasonTakeover
	if cause := conn.client.StopCause(); cause != nil {
		reason = conn.endReason(cause)
	}
	h.end(conn, reason)
}

// end tells client.disconnected once, and client.session_takeover before it where that is the reason.
func (h *Hook) end(conn *connection, reason string) {
	conn.telling.Lock()
	defer conn.telling.Unlock()
	if conn.ended {
		return
	}
	conn.ended = true
	cl := conn.client
	if reason == messages.ReasonTakeover {
		h.notify(&messages.ClientSessionTakeover{ClientID: cl.ID, FromNode: h.nodeID, ToNode: h.nodeID})
	}
	h.notify(&messages.ClientDisconnected{ClientID: cl.ID, Reason: reason, RemoteAddr: cl.Net.Remote})
}

// OnClientExpired tells that the subscriptions of an expired session are gone.
func (h *Hook) OnClientExpired(cl *mqtt.Client) {
	h.deliveries.forget(cl.ID)
	for filter := range cl.State.Subscriptions.GetAll() {
		h.notify(&messages.SubscriptionRemoved{ClientID: cl.ID, TopicFilter: strings.Clone(filter)})
	}
}

// connection finds what is remembered of a connected client; nil for one that is not connected.
func (h *Hook) connection(cl *mqtt.Client) *connection {
	value, ok := h.connections.Load(cl)
	if !ok {
		return nil
	}
	return value.(*connection)
}

// endReason says why a connection ended, from what mochi first stopped it with.
func (c *connection) endReason(cause error) string {
	var network net.Error
	switch {
	case errors.Is(cause, packets.ErrSessionTakenOver):
		return messages.ReasonTakeover
	case errors.Is(cause, packets.CodeDisconnect):
		if c.failed.Load() {
			return messages.ReasonError
		}
		return messages.ReasonNormal
	case errors.Is(cause, packets.ErrKeepAliveTimeout), errors.As(cause, &network) && network.Timeout():
		return messages.ReasonTimeout
	}
	return messages.ReasonError
}

func protocol(cl *mqtt.Client) string {
	if cl.Properties.ProtocolVersion >= 5 {
		return messages.ProtocolMQTT5
	}
	return messages.ProtocolMQTT3
}

// latest is the connection that was told last of each client id that is connected.
type latest struct {
	mu   sync.Mutex
	byID map[string]*connection
}

func (l *latest) get(clientID string) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[clientID]
}

// replace returns the connection that was there before; nil for none.
func (l *latest) replace(clientID string, conn *connection) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.byID[clientID]
	l.byID[clientID] = conn
	return before
}

// remove takes the connection out, unless another one has replaced it.
func (l *latest) remove(clientID string, conn *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[clientID] == conn {
		delete(l.byID, clientID)
	}
}
