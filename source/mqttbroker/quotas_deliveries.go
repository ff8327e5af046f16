package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const unknownBytes = 64 << 10 // of a message of which nothing is known: a will's payload at most

// admits tells whether the client may have a subscription to the filter, or the message with the topic, of which mochi
// asks both alike.
func (q *quotas) admits(cl *mqtt.Client, topic string) bool {
	conn := connOf(cl)
	if conn == nil {
		return true
	}
	s := conn.subscribing.Load()
	if s != nil && s.granting {
		_, refused := s.refused[topic]
		return !refused
	}
	at, size, qos := q.publishing.on(topic)
	pace := &q.pace
	switch retained, isRetained := q.retainedBytes(topic); {
	case at != nil:
		pace = &at.pace
	case ofBroker(topic):
		return true
	case isRetained:
		size, qos = retained, 2
	default:
		size, qos = unknownBytes, 2
	}
	if !q.holdings.acknowledges(cl.ID) {
		qos = 0
	}
	if qos > 0 && !q.holdings.hasQueueRoom(cl, size) {
		q.refused(reasonQueue)
		return false
	}
	if cl.Closed() {
		return true
	}
	if at == nil && s != nil {
		conn.outgoing.awaitRoomUntil(size, s.until)
	}
	if !conn.outgoing.has(size, qos) {
		q.refused(reasonOutgoing)
		return false
	}
	if queuedPackets(cl) >= maxWritesPending/2 {
		awaitTaken(cl) // of what others publish
	}
	pace.keep(cl, size)
	return true
}

func (q *quotas) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		q.holdings.queued(cl.ID, queued{packetID: pk.PacketID}, messageSize(&pk))
	case packets.Pubrec:
		q.holdings.queued(cl.ID, queued{pk.PacketID, true}, messageBytes)
	}
}

func (q *quotas) OnQosComplete(cl *mqtt.Client, pk packets.Packet) { q.unqueued(cl, &pk) }

// OnQosDropped is also called for what a session leaves behind that goes on with another connection.
func (q *quotas) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	if !cl.IsTakenOver() {
		q.unqueued(cl, &pk)
	}
}

// unqueued tells the broker's own packets from the client's by their time, which only the former have.
func (q *quotas) unqueued(cl *mqtt.Client, pk *packets.Packet) {
	own := pk.Created != 0
	switch pk.FixedHeader.Type {
	case packets.Puback:
		if own {
			return // of a message from the client, which takes no room
		}
	case packets.Pubrec:
		q.holdings.unqueued(cl.ID, queued{pk.PacketID, own})
		return
	case packets.Pubrel:
		q.holdings.unqueued(cl.ID, queued{pk.PacketID, !own})
		return
	}
	q.holdings.unqueued(cl.ID, queued{packetID: pk.PacketID})
}
