package mqttbroker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// Notifier takes the events of a Hook. The router's handle is one.
type Notifier interface {
	// Notify takes over an event, which the Hook does not touch again. It never blocks.
	Notify(ctx context.Context, event messages.Event) error
	// NotifyReceipt takes over a message that its publisher waits for. When it returns nil it calls receipt once, from any
	// goroutine and perhaps before it returns: with nil when the event is safe, or with the reason why it is not. It never
	// blocks, and receipt returns at once. Only a Broker asks for receipts: in any other a message is acknowledged at once.
	NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error
	// Wants tells whether anybody wants events of this type and routing topic; the topic is "" where the type has none.
	Wants(t messages.Type, topic string) bool
}

// Hook tells a Notifier what happens in a mochi broker. Any broker can add it, before it serves:
//
//	server.AddHook(mqttbroker.NewHook(notifier, "node-1", log), nil)
//
// It only observes: it grants, refuses and changes nothing, and it sees the verdicts of the other hooks in whatever
// order they were added. What a reader of the events should know:
//
//   - The broker's own messages below $SYS are no events. A message of the inline client is no message.published; that
//     it is delivered or retained is told.
//   - A will is published by its client, when the broker sends it.
//   - A message is delivered when it is written to a subscriber for the first time. One that another hook's store kept
//     over a restart counts as delivered before; a Broker knows which ones it had not sent.
//   - A connection that takes a client id over is told after the end of the one before: client.session_takeover,
//     client.disconnected, client.connected, and after that what is delivered on it.
//   - A retained message that expires is cleared. Clearing a topic that has none is no event.
//   - A session that ends, by its client, by a clean start or by its expiry, removes its subscriptions.
//   - A connection that the broker ends, at its own shutdown too, has the reason error, unless another one took its
//     client id over.
//   - auth.failure is told of every CONNACK that refuses, with what it says; a hook that refuses in OnConnect and has no
//     CONNACK sent leaves nothing to tell. auth.success is told of every login that was let in, an anonymous one too.
//   - A filter that the broker refuses for another cause than access is authz.subscribe_denied too; its reason tells.
//   - Where one hook refuses a publish, a later one allows it, and a hook before this one rejects it in OnPublish after
//     all, that is told as authz.publish_denied.
type Hook struct {
	mqtt.HookBase

	notifier    Notifier
	nodeID      string
	log         *slog.Logger
	logOnce     sync.Once
	connections sync.Map // *mqtt.Client → *connection, from client.connected to the end of the connection
	latest      latest
	deliveries  deliveries
}

// NewHook makes a Hook for one broker. nodeID names the broker in client.session_takeover. An error of the notifier
// that is none of messages' is logged the first time; those the notifier itself accounts for.
func NewHook(notifier Notifier, nodeID string, log *slog.Logger) *Hook {
	return &Hook{
		notifier:   notifier,
		nodeID:     nodeID,
		log:        log,
		latest:     latest{byID: map[string]*connection{}},
		deliveries: deliveries{sessions: map[string]*sent{}},
	}
}

// ID names the hook in mochi's log.
func (h *Hook) ID() string { return "webhookd" }

var provided = []byte{
	mqtt.OnACLCheck,
	mqtt.OnSessionEstablish,
	mqtt.OnSessionEstablished,
	mqtt.OnDisconnect,
	mqtt.OnClientExpired,
	mqtt.OnPacketSent,
	mqtt.OnPacketProcessed,
	mqtt.OnPublish,
	mqtt.OnPublished,
	mqtt.OnWillSent,
	mqtt.OnRetainMessage,
	mqtt.OnRetainedExpired,
	mqtt.OnQosPublish,
	mqtt.OnQosComplete,
	mqtt.OnQosDropped,
	mqtt.OnSubscribed,
	mqtt.OnUnsubscribed,
}

// Provides tells mochi which callbacks the hook has.
func (h *Hook) Provides(callback byte) bool {
	return slices.Contains(provided, callback)
}

// OnPacketSent sees the answer to a login, and each message to a subscriber.
func (h *Hook) OnPacketSent(cl *mqtt.Client, pk packets.Packet, _ []byte) {
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if pk.ReasonCode != packets.CodeSuccess.Code {
			h.notify(&messages.AuthFailure{ClientID: cl.ID, Reason: connackReason(&pk), RemoteAddr: cl.Net.Remote})
		}
	case packets.Publish:
		h.delivered(cl, &pk)
	}
}

// OnPacketProcessed sees what became of a client's packet.
func (h *Hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		h.publishProcessed(cl, &pk)
	case packets.Disconnect:
		if conn := h.connection(cl); conn != nil && pk.ReasonCode != packets.CodeDisconnect.Code {
			conn.failed.Store(true)
		}
	}
}

// notify hands an event over if anybody wants it.
func (h *Hook) notify(event messages.Event) {
	if h.notifier.Wants(event.EventType(), event.RoutingTopic()) {
		h.handOver(event)
	}
}

func (h *Hook) handOver(event messages.Event) {
	h.logUnknown(event, h.notifier.Notify(context.Background(), event))
}

// handOverForReceipt hands a message over whose publisher waits for its acknowledgement.
func (h *Hook) handOverForReceipt(cl *mqtt.Client, event messages.Event, r *receipt) {
	err := h.notifier.NotifyReceipt(r.give, messages.NewEnvelope(event))
	switch {
	case err == nil:
	case errors.Is(err, messages.ErrQueueFull), errors.Is(err, messages.ErrUnavailable), errors.Is(err, messages.ErrClosed):
		r.give(err)
	case cl.Properties.ProtocolVersion < 5:
		h.logUnknown(event, err)
		r.give(nil) // it would come again and again
	default:
		h.logUnknown(event, err)
		r.give(errNeverTaken)
	}
}

func (h *Hook) logUnknown(event messages.Event, err error) {
	if err == nil || errors.Is(err, messages.ErrQueueFull) || errors.Is(err, messages.ErrTooLarge) || errors.Is(err, messages.ErrClosed) {
		return
	}
	h.logOnce.Do(func() {
		h.log.Error("an event was not taken; further ones are not logged", "event_type", event.EventType().String(), "error", err)
	})
}

// ofBroker tells whether the topic belongs to the broker itself (MQTT 5.0 §4.7.2).
func ofBroker(topic string) bool {
	return strings.HasPrefix(topic, mqtt.SysPrefix+"/")
}
