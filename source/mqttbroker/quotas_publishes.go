package mqttbroker

import (
	"bytes"
	"slices"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// OnPublish refuses what has no room to be kept.
func (q *quotas) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	conn := connOf(cl)
	if conn == nil {
		return pk, nil
	}
	pk = detached(pk)
	if levels(pk.TopicName) > maxTopicLevels {
		q.refused(reasonRetained)
		return pk, q.refusePublish(cl, &pk, packets.ErrTopicNameInvalid)
	}
	if pk.FixedHeader.Retain && !q.hasRetainedRoom(&pk) {
		q.refused(reasonRetained)
		if pk.FixedHeader.Qos > 0 {
			return pk, q.refusePublish(cl, &pk, packets.ErrQuotaExceeded)
		}
		pk.FixedHeader.Retain = false // it is published, and not kept
	}
	if pk.FixedHeader.Qos == 2 && !q.holdings.hasQueueRoom(cl, messageBytes) {
		q.refused(reasonQueue)
		return pk, q.refusePublish(cl, &pk, packets.ErrQuotaExceeded)
	}
	conn.publishes = pk.TopicName
	q.publishing.begin(pk.TopicName, messageSize(&pk), pk.FixedHeader.Qos)
	return pk, nil
}

// refusePublish answers in mochi's place, which has no PUBREC for it and logs whole packets.
func (q *quotas) refusePublish(cl *mqtt.Client, pk *packets.Packet, reason packets.Code) error {
	q.hook.publishDenied(cl, pk.TopicName, reason.Reason)
	switch {
	case pk.FixedHeader.Qos == 0:
	case cl.Properties.ProtocolVersion < 5:
		cl.Stop(reason) // MQTT 3.1.1 §3.3.5: there is no answer that refuses
	default:
		ack := packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Puback},
			PacketID:    pk.PacketID,
			ReasonCode:  reason.Code,
		}
		if pk.FixedHeader.Qos == 2 {
			ack.FixedHeader.Type = packets.Pubrec
		}
		_ = cl.WritePacket(ack) // the client may be gone
	}
	return packets.ErrRejectPacket
}

func (q *quotas) endPublish(conn *clientConn) {
	if conn.publishes != "" {
		q.publishing.end(conn.publishes)
		conn.publishes = ""
	}
}

// detached copies the packet's texts, which point into its bytes: whoever kept one would keep them all.
func detached(pk packets.Packet) packets.Packet {
	pk.TopicName = strings.Clone(pk.TopicName)
	pk.Properties.ContentType = strings.Clone(pk.Properties.ContentType)
	pk.Properties.ResponseTopic = strings.Clone(pk.Properties.ResponseTopic)
	pk.Properties.CorrelationData = bytes.Clone(pk.Properties.CorrelationData)
	pk.Properties.User = slices.Clone(pk.Properties.User)
	for i, property := range pk.Properties.User {
		pk.Properties.User[i] = packets.UserProperty{Key: strings.Clone(property.Key), Val: strings.Clone(property.Val)}
	}
	return pk
}
