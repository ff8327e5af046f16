package mqttbroker

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// connection is what the Hook must remember of a connected client.
type connection struct {
	// refused tells that every hook asked so far refused the publish that is being processed.
	refused atomic.Bool
	// failed tells that the client's DISCONNECT gave an error as its reason.
	failed atomic.Bool
	// takenOver tells that the client was told that another connection takes its client id over.
	takenOver atomic.Bool

	mu      sync.Mutex
	filters map[string]struct{} // its subscriptions
}

// OnSessionEstablish tells auth.success: mochi calls it once a login was let in.
func (h *Hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	h.deliveries.begin(cl.ID, cl.Properties.Clean)
	h.notify(&messages.AuthSuccess{ClientID: cl.ID, RemoteAddr: cl.Net.Remote})
}

// OnSessionEstablished tells client.connected. From here on mochi calls OnDisconnect without fail.
func (h *Hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	conn := &connection{filters: map[string]struct{}{}}
	for filter := range cl.State.Subscriptions.GetAll() {
		conn.filters[filter] = struct{}{}
	}
	h.connections.Store(cl, conn)
	h.notify(&messages.ClientConnected{
		ClientID:   cl.ID,
		Protocol:   protocol(cl),
		CleanStart: cl.Properties.Clean,
		KeepAlive:  cl.State.Keepalive,
		RemoteAddr: cl.Net.Remote,
	})
}

// OnDisconnect tells client.disconnected, and client.session_takeover before it where that is the reason. A client that
// mochi loaded from a store was not connected, so its end is no event.
func (h *Hook) OnDisconnect(cl *mqtt.Client, _ error, expire bool) {
	if expire && !cl.IsTakenOver() {
		h.deliveries.forget(cl.ID)
	}
	value, connected := h.connections.LoadAndDelete(cl)
	if !connected {
		return
	}
	reason := value.(*connection).endReason(cl.StopCause())
	if reason == messages.ReasonTakeover {
		h.notify(&messages.ClientSessionTakeover{ClientID: cl.ID, FromNode: h.nodeID, ToNode: h.nodeID})
	}
	h.notify(&messages.ClientDisconnected{ClientID: cl.ID, Reason: reason, RemoteAddr: cl.Net.Remote})
}

// OnClientExpired tells that the subscriptions of an expired session are gone.
func (h *Hook) OnClientExpired(cl *mqtt.Client) {
	h.deliveries.forget(cl.ID)
	for filter := range cl.State.Subscriptions.GetAll() {
		h.notify(&messages.SubscriptionRemoved{ClientID: cl.ID, TopicFilter: filter})
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
	case c.takenOver.Load(), errors.Is(cause, packets.ErrSessionTakenOver):
		return messages.ReasonTakeover
	case errors.Is(cause, packets.CodeDisconnect), errors.Is(cause, packets.CodeDisconnectWillMessage):
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
