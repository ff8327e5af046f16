package mqttbroker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// request is what must be known of the client's packet that is being processed, until it is answered.
type request struct {
	id      uint16           // the packet id, as the client said it
	receipt *receipt         // of a PUBLISH with QoS 1 or 2: of all that its acknowledgement waits for
	event   *receipt         // of its event
	message *incomingMessage // of a PUBLISH with QoS 2
	again   bool             // a PUBLISH with QoS 2 that mochi has taken before
	refused map[int]string   // of a SUBSCRIBE: the filters that are none, by their place
	absent  []bool           // of an UNSUBSCRIBE: by place, whether there is no such subscription
}

// OnPacketRead translates what a client says into what mochi takes.
func (s *sessions) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	l := s.link(cl)
	if l == nil {
		return pk, nil
	}
	if cl.IsTakenOver() {
		return pk, packets.ErrRejectPacket // which waited for room: what it changes is its successor's by now
	}
	l.request = request{id: pk.PacketID}
	s.forgetUnsafe(cl, l)
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return s.readPublish(cl, l, pk)
	case packets.Pubrel:
		pk.PacketID = l.session.packetIDs.find(pk.PacketID)
	case packets.Puback, packets.Pubrec, packets.Pubcomp:
		readAcknowledgement(cl, l, &pk)
	case packets.Subscribe:
		if code, violated := protocolViolation(pk.Filters); violated {
			return s.refuse(cl, pk, code)
		}
		l.translate(cl, &pk)
	case packets.Unsubscribe:
		l.request.absent = make([]bool, len(pk.Filters))
		for i, filter := range pk.Filters {
			_, subscribed := cl.State.Subscriptions.Get(filter.Filter)
			l.request.absent[i] = !subscribed
		}
		l.translate(cl, &pk)
	case packets.Disconnect:
		s.readDisconnect(&pk)
	}
	return pk, nil
}

func (s *sessions) readPublish(cl *mqtt.Client, l *link, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Qos < 2 || pk.PacketID == 0 || discarded(pk.TopicName) {
		if pk.FixedHeader.Qos > 0 {
			s.expectReceipt(l, connOf(cl), nil)
		}
		l.translate(cl, &pk)
		return pk, nil
	}
	message, ok := l.session.packetIDs.translate(cl, pk.PacketID, l.session.outbox.newestID(), int(s.server.Options.Capabilities.ReceiveMaximum))
	if !ok {
		return s.refuse(cl, pk, packets.ErrReceiveMaximum)
	}
	s.expectReceipt(l, connOf(cl), message)
	pk.PacketID = message.inner
	return pk, nil
}

// refuse ends the connection of a client that does not keep the protocol.
func (s *sessions) refuse(cl *mqtt.Client, pk packets.Packet, code packets.Code) (packets.Packet, error) {
	_ = s.server.DisconnectClient(cl, code) // its error is the code
	return pk, packets.ErrRejectPacket
}

// translate gives the packet an id that means nothing in mochi, for as long as it is processed.
func (l *link) translate(cl *mqtt.Client, pk *packets.Packet) {
	if pk.PacketID != 0 {
		pk.PacketID = unused(cl, l.session.outbox.newestID())
	}
}

// readAcknowledgement keeps acknowledgements of nothing from what mochi has under the same id.
func readAcknowledgement(cl *mqtt.Client, l *link, pk *packets.Packet) {
	if !l.session.outbox.has(cl, pk.PacketID) {
		pk.PacketID = 0
		return
	}
	if pk.FixedHeader.Type != packets.Pubrec || pk.ReasonCode >= packets.ErrUnspecifiedError.Code {
		l.session.outbox.acknowledged(pk.PacketID)
	}
}

// protocolViolation finds options that no SUBSCRIBE may have (MQTT 5.0 §3.8.3.1).
func protocolViolation(filters packets.Subscriptions) (packets.Code, bool) {
	for _, filter := range filters {
		switch {
		case filter.NoLocal && mqtt.IsSharedFilter(filter.Filter):
			return packets.ErrProtocolViolationInvalidSharedNoLocal, true
		case filter.RetainHandling > 2:
			return packets.ErrProtocolViolation, true
		}
	}
	return packets.Code{}, false
}

// readDisconnect has mochi publish the will, which it does for no reason code but one (MQTT 5.0 §3.14.4), and keep the
// session no longer than the broker keeps any.
func (s *sessions) readDisconnect(pk *packets.Packet) {
	if pk.ReasonCode != packets.CodeDisconnect.Code {
		pk.ReasonCode = packets.CodeDisconnectWillMessage.Code
	}
	maximum := s.server.Options.Capabilities.MaximumSessionExpiryInterval
	pk.Properties.SessionExpiryInterval = min(pk.Properties.SessionExpiryInterval, maximum)
}

// OnSubscribe has mochi refuse what is no filter, in place of which it gets an empty one.
func (s *sessions) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := s.link(cl)
	if l == nil {
		return pk
	}
	for i, subscription := range pk.Filters {
		if validSubscription(subscription.Filter) {
			continue
		}
		if l.request.refused == nil {
			l.request.refused = map[int]string{}
		}
		l.request.refused[i] = subscription.Filter
		pk.Filters[i].Filter = ""
	}
	return pk
}

// OnSubscribed puts the filters back that mochi refused, for the hooks that follow.
func (s *sessions) OnSubscribed(cl *mqtt.Client, pk packets.Packet, _ []byte) {
	if l := s.link(cl); l != nil {
		for i, filter := range l.request.refused {
			pk.Filters[i].Filter = filter
		}
	}
}

// OnPacketProcessed answers what mochi leaves unanswered, and goes on sending where an acknowledgement made room.
func (s *sessions) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, err error) {
	l := s.link(cl)
	if l == nil || pk.Ignore {
		return
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		if pk.FixedHeader.Qos > 0 && err == nil && discarded(pk.TopicName) {
			_ = cl.WritePacket(discardedAck(cl, &pk)) // where it fails, the connection ends
		}
		if pk.FixedHeader.Qos == 2 && !inFlight(cl, pk.PacketID) {
			l.session.packetIDs.release(l.request.id)
		}
		if pk.FixedHeader.Qos > 0 {
			s.acknowledge(cl, l, err)
		}
	case packets.Pubrel:
		if !inFlight(cl, pk.PacketID) {
			l.session.packetIDs.release(l.request.id) // without a PUBCOMP where the client says that it failed
			l.session.kept.complete(l.request.id)
		}
	case packets.Puback, packets.Pubrec, packets.Pubcomp:
		s.send(l.session)
	}
}

// answer gives an answer to the client's packet the id that the client said, and takes out what the client said besides.
func (l *link) answer(pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Puback, packets.Pubcomp:
		pk.PacketID = l.request.id
	case packets.Pubrec:
		pk.PacketID = l.request.id
		if pk.ReasonCode == packets.ErrPacketIdentifierInUse.Code {
			// A repetition is acknowledged like the first (MQTT 5.0 §4.3.3), and when that is safe.
			l.request.again = true
			pk.ReasonCode, pk.Properties.ReasonString = packets.CodeSuccess.Code, ""
		}
	case packets.Pubrel:
		if pk.PacketID == 0 {
			pk.PacketID = l.request.id
		}
	case packets.Suback:
		pk.PacketID, pk.Properties.User = l.request.id, nil
	case packets.Unsuback:
		pk.PacketID, pk.Properties.User = l.request.id, nil
		for i, absent := range l.request.absent {
			if absent {
				pk.ReasonCodes[i] = packets.CodeNoSubscriptionExisted.Code
			}
		}
	}
	if pk.FixedHeader.Type == packets.Pubcomp {
		l.session.packetIDs.release(l.request.id)
	}
	return pk
}

// discarded tells whether mochi drops what is published to the topic without a word.
func discarded(topic string) bool { return !mqtt.IsValidFilter(topic, true) }

func discardedAck(cl *mqtt.Client, pk *packets.Packet) packets.Packet {
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID}
	if pk.FixedHeader.Qos == 2 {
		ack.FixedHeader.Type = packets.Pubrec
	}
	if cl.Properties.ProtocolVersion == 5 {
		ack.ReasonCode = packets.ErrTopicNameInvalid.Code
		ack.Properties.ReasonString = packets.ErrTopicNameInvalid.Reason
	}
	return ack
}

// validSubscription tells whether the text is a topic filter or a shared subscription (MQTT 5.0 §4.7, §4.8.2).
func validSubscription(text string) bool {
	if share, shared := strings.CutPrefix(text, "$share"); shared && (share == "" || share[0] == '/') {
		group, filter, _ := strings.Cut(strings.TrimPrefix(share, "/"), "/")
		if group == "" || strings.ContainsAny(group, "+#") {
			return false
		}
		text = filter
	}
	_, err := messages.ParseTopicFilter(text)
	return err == nil
}
