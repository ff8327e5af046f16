package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// expectReceipt has the publish that mochi is about to process ask for the receipt of its event, if that is wanted. What
// the broker keeps of a message is written with QoS 1 while its event becomes safe. With QoS 2 it is written after that: so
// a repetition after a crash finds the packet id only where the event is.
func (s *sessions) expectReceipt(l *link, conn *clientConn, message *incomingMessage) {
	switch {
	case message == nil:
		l.request.receipt = &receipt{}
		if s.keeping != nil {
			l.request.receipt.more = 1
		}
		conn.receipt = l.request.receipt
	case s.keeping == nil:
		l.request.receipt, conn.receipt = message.receipt, message.receipt
	default:
		event := &receipt{}
		l.request.receipt, l.request.message, conn.receipt = message.receipt, message, event
		l.request.event = event
	}
}

// takeReceipt is what the event of the publish that is being processed asks for; nil where its QoS is 0.
func (c *clientConn) takeReceipt() *receipt {
	r := c.receipt
	c.receipt = nil
	return r
}

// acknowledge has what mochi has written of a publish wait until it is safe. Where nobody was asked for the receipt of an
// event, because no event came of the publish or nobody wants it, there is none to wait for; where mochi broke the publish
// off, it counts as not received, so that the client's repetition is no repetition.
func (s *sessions) acknowledge(cl *mqtt.Client, l *link, broken error) {
	conn, publish := connOf(cl), s.keeping.handedOut(l)
	if untaken := conn.takeReceipt(); untaken != nil && !l.request.again {
		untaken.give(broken)
	}
	switch request := l.request; {
	case request.receipt == nil || s.keeping == nil || request.again:
		publish.end(func(error) {})
	case request.event == nil:
		publish.end(request.receipt.give)
	default:
		packetIDs := &l.session.packetIDs
		request.event.then(func(err error) {
			if err != nil {
				request.receipt.give(err)
				publish.end(func(error) {})
				return
			}
			packetIDs.eventIsSafe(request.id, request.message, publish)
			publish.end(request.receipt.give)
		})
	}
	if l.request.receipt != nil {
		conn.acks.await(l.request.receipt)
	}
}

// forgetUnsafe ends the messages with QoS 2 in mochi that are not safe, as a client's PUBREL with a reason code
// would: a PUBREC that refuses ends them (MQTT 5.0 §4.3.3), and a client that was disconnected sends them anew. It is for
// the goroutine that reads from the client alone, which is the only one that knows which mochi client has the session.
func (s *sessions) forgetUnsafe(cl *mqtt.Client, l *link) {
	if cl.Closed() {
		return // the session may have gone on with another one
	}
	for _, id := range l.session.packetIDs.takeUnsafe() {
		if !inFlight(cl, id) {
			continue // mochi would answer
		}
		_ = s.server.InjectPacket(cl, packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: id,
			ReasonCode: packets.ErrQuotaExceeded.Code, Ignore: true,
		})
	}
}
