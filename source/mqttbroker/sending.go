package mqttbroker

import (
	"errors"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// OnQosPublish puts a message into its session's outbox. mochi says a message's id for a second time, with DUP, where it
// sends again itself.
func (s *sessions) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type != packets.Publish || pk.FixedHeader.Dup {
		return
	}
	if to := s.find(cl.ID); to != nil && to.outbox.queued(cl, &pk) {
		s.send(to)
	}
}

// OnQosDropped takes out a message that expired. mochi also drops what it leaves behind in a session that was taken over.
func (s *sessions) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	if to := s.find(cl.ID); to != nil && !cl.IsTakenOver() {
		to.outbox.dropped(pk.PacketID)
	}
}

// OnPacketEncode has the last word on what goes out.
func (s *sessions) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := s.link(cl)
	switch {
	case pk.FixedHeader.Type == packets.Connack:
		return s.connack(cl, l, pk)
	case l == nil || !l.established.Load():
		return nothing // a connection begins with its CONNACK, and the outbox sends again what must be
	case pk.FixedHeader.Type == packets.Disconnect && cl.Properties.ProtocolVersion < 5:
		return nothing // MQTT 3.1.1 §3.14: only the client has it
	case pk.Ignore:
		return pk
	case pk.FixedHeader.Type == packets.Publish:
		s.write(cl, l, pk)
		return nothing
	}
	return l.answer(pk)
}

// write writes a message of QoS 0, or what is in the outbox.
func (s *sessions) write(cl *mqtt.Client, l *link, pk packets.Packet) {
	if pk.FixedHeader.Qos > 0 {
		s.send(l.session)
		return
	}
	l.session.outbox.writing.Lock()
	defer l.session.outbox.writing.Unlock()
	_ = l.write(cl, pk) // QoS 0 is at most once
}

// send writes what waits in the outbox, as much as the client may be sent.
func (s *sessions) send(to *session) {
	to.outbox.writing.Lock()
	defer to.outbox.writing.Unlock()
	for {
		cl, l, pk, ok := to.outbox.next()
		if !ok {
			return
		}
		err := l.write(cl, pk)
		if errors.Is(err, packets.ErrPacketTooLarge) {
			s.discard(cl, to, pk.PacketID)
		} else if err != nil {
			return // the connection is broken, and the next one goes on
		}
	}
}

// discard ends a message that is larger than the client takes as though it had been received (MQTT 5.0 §3.1.2.11.4).
func (s *sessions) discard(cl *mqtt.Client, to *session, packetID uint16) {
	to.outbox.acknowledged(packetID)
	_ = s.server.InjectPacket(cl, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: packetID, Ignore: true,
	})
}

// write writes a packet that is not to be held up by OnPacketEncode. mochi reads Ignore of what it receives only.
func (l *link) write(cl *mqtt.Client, pk packets.Packet) error {
	pk.Ignore = true
	if pk.Connect.WillProperties.WillDelayInterval > 0 {
		// mochi takes the time at which it sends a will for the will's expiry.
		pk.Expiry, pk.Properties.MessageExpiryInterval = 0, 0
	}
	topic := pk.TopicName
	introduced := l.aliases.apply(&pk)
	err := cl.WritePacket(pk)
	if err != nil && introduced {
		l.aliases.forget(topic)
	}
	return err
}

// connack says what mochi does not: the broker's bound of a packet's size, and why MQTT 3 refuses an empty client id. Its
// word whether there was a session decides what is in this one.
func (s *sessions) connack(cl *mqtt.Client, l *link, pk packets.Packet) packets.Packet {
	if l != nil && !pk.SessionPresent {
		l.session.outbox.empty()
		l.session.packetIDs.empty()
	}
	pk.Properties.MaximumPacketSize = s.server.Options.Capabilities.MaximumPacketSize
	if cl.Properties.ProtocolVersion < 5 && pk.ReasonCode == packets.ErrUnspecifiedError.Code {
		pk.ReasonCode = packets.Err3ClientIdentifierNotValid.Code // MQTT 3.1.1 §3.1.3.1
		pk.Properties.ReasonString = packets.Err3ClientIdentifierNotValid.Reason
	}
	return pk
}
