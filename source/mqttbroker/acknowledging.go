package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// expectReceipt has the publish that mochi is about to process ask for a receipt, if its event is wanted.
func (l *link) expectReceipt(conn *clientConn, r *receipt) {
	l.request.receipt, conn.receipt = r, r
}

// takeReceipt is what the event of the publish that is being processed asks for; nil where its QoS is 0.
func (c *clientConn) takeReceipt() *receipt {
	r := c.receipt
	c.receipt = nil
	return r
}

// acknowledge has what mochi has written of a publish wait for its receipt. Where nobody was asked for that, because no
// event came of the publish or nobody wants it, there is nothing to wait for; where mochi broke the publish off, it counts
// as not received, so that the client's repetition is no repetition.
func (l *link) acknowledge(conn *clientConn, broken error) {
	if r := conn.takeReceipt(); r != nil && !l.request.again {
		r.give(broken)
	}
	if l.request.receipt != nil {
		conn.acks.await(l.request.receipt)
	}
}

// forgetUnsafe ends the messages with QoS 2 in mochi whose events are not safe, as a client's PUBREL with a reason code
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
