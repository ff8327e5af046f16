package mqttbroker

import (
	"bytes"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// OnACLCheck grants nothing. mochi asks it whether a client may publish only if no hook before it allowed that; should
// one after it allow it, OnPublish follows, else publishProcessed finds the refusal standing.
func (h *Hook) OnACLCheck(cl *mqtt.Client, _ string, write bool) bool {
	if write {
		h.setRefused(cl, true)
	}
	return false
}

// OnPublish learns that a publish was allowed. It changes nothing.
func (h *Hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	h.setRefused(cl, false)
	return pk, nil
}

// OnPublished tells message.published of a client's message.
func (h *Hook) OnPublished(cl *mqtt.Client, pk packets.Packet) {
	if cl.Net.Inline {
		return
	}
	h.setRefused(cl, false)
	switch event, conn := h.published(cl.ID, &pk), connOf(cl); {
	case event == nil:
	case conn != nil && conn.receipt != nil:
		h.handOverForReceipt(cl, event, conn.takeReceipt())
	default:
		h.handOver(event)
	}
}

// OnWillSent tells message.published of a will.
func (h *Hook) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	if event := h.published(cl.ID, &pk); event != nil {
		h.handOver(event)
	}
}

// OnRetainMessage tells message.retained. change is 1 where a message was set, -1 where one was cleared, and 0 where
// there was none to clear.
func (h *Hook) OnRetainMessage(_ *mqtt.Client, pk packets.Packet, change int64) {
	if change != 0 && !ofBroker(pk.TopicName) {
		h.notify(&messages.MessageRetained{Topic: strings.Clone(pk.TopicName), PayloadSize: len(pk.Payload), Cleared: change < 0})
	}
}

// OnRetainedExpired tells message.retained of a message that its expiry cleared.
func (h *Hook) OnRetainedExpired(topic string) {
	if !ofBroker(topic) {
		h.notify(&messages.MessageRetained{Topic: topic, Cleared: true})
	}
}

// OnQosPublish learns that a message is to be sent with QoS 1 or 2, now or when its subscriber comes back.
func (h *Hook) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type == packets.Publish && !pk.FixedHeader.Dup {
		h.deliveries.queued(cl.ID, pk.PacketID)
	}
}

// OnQosComplete learns that nothing more is sent with a packet id.
func (h *Hook) OnQosComplete(cl *mqtt.Client, pk packets.Packet) {
	h.deliveries.dropped(cl.ID, pk.PacketID)
}

// OnQosDropped learns that a message is sent no more. mochi calls it also for the copies that a session leaves behind
// when a new connection carries it on.
func (h *Hook) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	if !cl.IsTakenOver() {
		h.deliveries.dropped(cl.ID, pk.PacketID)
	}
}

// published is the event of a message; nil where nobody wants it.
func (h *Hook) published(clientID string, pk *packets.Packet) *messages.MessagePublished {
	if !h.notifier.Wants(messages.TypeMessagePublished, pk.TopicName) {
		return nil
	}
	return &messages.MessagePublished{
		ClientID:       clientID,
		Topic:          strings.Clone(pk.TopicName),
		QoS:            pk.FixedHeader.Qos,
		Retained:       pk.FixedHeader.Retain,
		PayloadSize:    len(pk.Payload),
		Payload:        bytes.Clone(pk.Payload),
		ContentType:    strings.Clone(pk.Properties.ContentType),
		UserProperties: userProperties(pk.Properties.User),
	}
}

// userProperties copies them, as every text is copied that an event takes from a packet: mochi's texts point into the
// packet's bytes, payload and all, which an event would keep in memory for as long as it waits.
func userProperties(given []packets.UserProperty) []messages.UserProperty {
	if len(given) == 0 {
		return nil
	}
	properties := make([]messages.UserProperty, len(given))
	for i, property := range given {
		properties[i] = messages.UserProperty{Name: strings.Clone(property.Key), Value: strings.Clone(property.Val)}
	}
	return properties
}

func (h *Hook) delivered(cl *mqtt.Client, pk *packets.Packet) {
	topic, first := h.deliveries.sent(cl.ID, pk)
	if !first || topic == "" || ofBroker(topic) || !h.notifier.Wants(messages.TypeMessageDelivered, topic) {
		return
	}
	h.deliveries.tell(cl.ID, &messages.MessageDelivered{
		ClientID:    cl.ID,
		Topic:       strings.Clone(topic),
		QoS:         pk.FixedHeader.Qos,
		PayloadSize: len(pk.Payload),
	}, h.handOver)
}

func (h *Hook) setRefused(cl *mqtt.Client, refused bool) {
	if conn := h.connection(cl); conn != nil {
		conn.refused.Store(refused)
	}
}

// publishProcessed tells authz.publish_denied of a publish that no hook allowed.
func (h *Hook) publishProcessed(cl *mqtt.Client, pk *packets.Packet) {
	conn := h.connection(cl)
	if conn == nil {
		return
	}
	if discarded(pk.TopicName) {
		h.publishDenied(cl, pk.TopicName, packets.ErrTopicNameInvalid.Reason)
		return
	}
	if !conn.refused.Swap(false) {
		return
	}
	// mochi answers the repetition of a QoS 2 message without OnPublish.
	if held, ok := cl.State.Inflight.Get(pk.PacketID); ok && held.FixedHeader.Type == packets.Pubrec {
		return
	}
	topic := pk.TopicName
	if topic == "" {
		// The lookup of an alias (MQTT 5.0 §3.3.2.3.4): set to no topic, it stays what it is.
		topic = cl.State.TopicAliases.Inbound.Set(pk.Properties.TopicAlias, "")
	}
	h.publishDenied(cl, topic, reasonNotAuthorized)
}

func (h *Hook) publishDenied(cl *mqtt.Client, topic, reason string) {
	h.notify(&messages.AuthzPublishDenied{ClientID: cl.ID, Topic: strings.Clone(topic), Reason: reason})
}
