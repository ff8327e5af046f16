package mqttbroker

import (
	"slices"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestAcknowledgementsEchoNothing(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	properties := packets.Properties{User: []packets.UserProperty{{Key: "k", Val: "v"}}}
	for _, test := range []struct {
		request packets.Packet
		answer  byte
	}{
		{packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: "t", PacketID: 1}, packets.Puback},
		{packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2}, TopicName: "t", PacketID: 2}, packets.Pubrec},
		{packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 2}, packets.Pubcomp},
		{packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 3, Filters: packets.Subscriptions{{Filter: "a"}}}, packets.Suback},
		{packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 4, Filters: packets.Subscriptions{{Filter: "a"}}}, packets.Unsuback},
	} {
		test.request.Properties = properties
		s.send(test.request)
		answer := s.receive(test.answer)
		require.Equal(t, test.request.PacketID, answer.PacketID)
		require.Empty(t, answer.Properties.User, packets.PacketNames[test.answer])
	}
}

func TestWhatIsNoFilterIsRefused(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		refusal := map[byte]byte{version3: packets.ErrUnspecifiedError.Code, version5: packets.ErrTopicFilterInvalid.Code}[version]
		broker, events := startBroker(t, config.MQTTBroker{})
		s := dialScript(t, broker.Addr(), version, "c", clean)
		var denied []messages.Event
		for _, filter := range []string{
			"a+/b", "+a", "a/#/b", "a#", "$share", "$share/", "$share/g", "$share/g/", "$share//x", "$share/+/x", "$share/g#/x", "$share/g/a+",
		} {
			require.Equal(t, []byte{refusal}, s.subscribe(1, filter, 1), filter)
			denied = append(denied, &messages.AuthzSubscribeDenied{ClientID: "c", TopicFilter: filter, Reason: "topic filter invalid"})
		}
		for _, filter := range []string{"a/+", "+/+/#", "#", "/", "$share/g/#", "$share/g//", "$shared/x", "$other/#"} {
			require.Equal(t, []byte{1}, s.subscribe(2, filter, 1), filter)
		}
		events.await(t, denied...)
	})
}

func TestProtocolViolationInASubscribeEndsTheConnection(t *testing.T) {
	for name, subscription := range map[string]packets.Subscription{
		"no local on a shared subscription": {Filter: "$share/g/a", NoLocal: true},
		"retain handling 3":                 {Filter: "a", RetainHandling: 3},
	} {
		t.Run(name, func(t *testing.T) {
			broker, _ := startBroker(t, config.MQTTBroker{})
			s := dialScript(t, broker.Addr(), version5, "c", clean)
			s.send(packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1, Filters: packets.Subscriptions{subscription},
			})
			require.Equal(t, packets.ErrProtocolViolation.Code, s.receive(packets.Disconnect).ReasonCode)
			s.isClosed()
		})
	}
}

func TestPublishBelowSYSIsAcknowledgedAndDiscarded(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		reason := map[byte]byte{version3: 0, version5: packets.ErrTopicNameInvalid.Code}[version]
		broker, events := startBroker(t, config.MQTTBroker{})
		s := dialScript(t, broker.Addr(), version, "c", clean)
		s.publish("$SYS/x", "x", 0, 0)
		s.publish("$SYS/x", "x", 1, 5)
		puback := s.receive(packets.Puback)
		require.Equal(t, []any{uint16(5), reason}, []any{puback.PacketID, puback.ReasonCode})
		s.publish("$SYS/x", "x", 2, 6)
		pubrec := s.receive(packets.Pubrec)
		require.Equal(t, []any{uint16(6), reason}, []any{pubrec.PacketID, pubrec.ReasonCode})
		if version == version3 {
			s.acknowledge(packets.Pubrel, 6)
			require.EqualValues(t, 6, s.receive(packets.Pubcomp).PacketID)
		}
		denied := &messages.AuthzPublishDenied{ClientID: "c", Topic: "$SYS/x", Reason: "topic name invalid"}
		events.await(t, denied, denied, denied)
		require.Empty(t, events.of(messages.TypeMessagePublished))
	})
}

func TestDeniedPublishIsNotUnderWay(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{ACL: []config.ACLRule{{Publish: []string{"open"}}}})
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	s.publish("closed", "x", 2, 7)
	require.Equal(t, packets.ErrNotAuthorized.Code, s.receive(packets.Pubrec).ReasonCode)
	s.receivesNothingMore() // so that the denied one is processed
	require.Zero(t, broker.sessions.find("c").packetIDs.find(7))
	s.publish("open", "x", 2, 7)
	require.Equal(t, packets.CodeSuccess.Code, s.receive(packets.Pubrec).ReasonCode)
	events.await(t, &messages.MessagePublished{ClientID: "c", Topic: "open", QoS: 2, PayloadSize: 1, Payload: []byte("x")})
}

func TestEveryEndButTheNormalOnePublishesTheWill(t *testing.T) {
	for reason, published := range map[byte]bool{0x00: false, 0x04: true, 0x80: true, 0x97: true} {
		broker, events := startBroker(t, config.MQTTBroker{})
		s := dialScript(t, broker.Addr(), version5, "c", clean, willTo("will"))
		s.disconnect(reason)
		want := messages.ReasonError
		if !published {
			want = messages.ReasonNormal
		}
		events.await(t, &messages.ClientDisconnected{ClientID: "c", Reason: want, RemoteAddr: s.conn.LocalAddr().String()})
		require.Equal(t, published, len(events.of(messages.TypeMessagePublished)) == 1, "reason 0x%02X", reason)
	}
}

func TestUnsubscribeRepeatedSaysThatThereIsNoSubscription(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	other := dialScript(t, broker.Addr(), version5, "other", clean)
	other.subscribe(1, "a", 1)
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	s.subscribe(1, "a", 1)
	require.Equal(t, []byte{0, 0x11}, s.unsubscribe(2, "a", "b").ReasonCodes)
	require.Equal(t, []byte{0x11}, s.unsubscribe(3, "a").ReasonCodes)
	events.await(t, &messages.SubscriptionRemoved{ClientID: "c", TopicFilter: "a"})
	s.subscribe(4, "a", 1)
	require.Equal(t, []byte{0}, s.unsubscribe(5, "a").ReasonCodes)
	removed := &messages.SubscriptionRemoved{ClientID: "c", TopicFilter: "a"}
	events.await(t, removed, removed)
}

func TestMQTT3GetsNoDisconnect(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	old := dialScript(t, broker.Addr(), version3, "c")
	dialScript(t, broker.Addr(), version3, "c")
	old.isClosed()
	old = dialScript(t, broker.Addr(), version5, "d")
	dialScript(t, broker.Addr(), version5, "d")
	require.Equal(t, packets.ErrSessionTakenOver.Code, old.receive(packets.Disconnect).ReasonCode)
}

func TestConnackSaysWhatTheBrokerTakes(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	require.EqualValues(t, maxPacketBytes, s.connack.Properties.MaximumPacketSize)
	require.Zero(t, s.connack.Properties.TopicAliasMaximum)
	require.NotEmpty(t, dialScript(t, broker.Addr(), version5, "", clean).connack.Properties.AssignedClientID)
	refused := dialScript(t, broker.Addr(), version3, "")
	require.EqualValues(t, 2, refused.connack.ReasonCode) // MQTT 3.1.1 §3.1.3.1
	refused.isClosed()
	require.Equal(t, "identifier rejected", events.of(messages.TypeAuthFailure)[0].(*messages.AuthFailure).Reason)
}

func TestServerUsesTopicAliasesOfTheConnectionAlone(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", aliasMaximum(1))
	s.subscribe(1, "#", 2)
	publisher := dialScript(t, broker.Addr(), version5, "pub", clean)
	for qos, want := range []string{"t", "", ""} {
		publisher.publish("t", "x", byte(qos), uint16(qos))
		pk := s.receiveMessage("x")
		require.Equal(t, want, pk.TopicName)
		require.EqualValues(t, 1, pk.Properties.TopicAlias)
	}
	publisher.publish("another", "x", 0, 0)
	pk := s.receiveMessage("x")
	require.Equal(t, "another", pk.TopicName)
	require.Zero(t, pk.Properties.TopicAlias)
	s.close()
	s = dialScript(t, broker.Addr(), version5, "c", aliasMaximum(1))
	require.Equal(t, "t", s.receiveMessage("x").TopicName)
	require.Empty(t, s.receiveMessage("x").TopicName)
	s.close()
	s = dialScript(t, broker.Addr(), version5, "c")
	for range 2 {
		pk = s.receiveMessage("x")
		require.Equal(t, "t", pk.TopicName)
		require.Zero(t, pk.Properties.TopicAlias)
	}
	for _, event := range events.of(messages.TypeMessageDelivered) {
		require.NotEmpty(t, event.(*messages.MessageDelivered).Topic)
	}
	require.Len(t, events.of(messages.TypeMessageDelivered), 4)
}

func TestMessageLargerThanItsClientTakesIsDiscarded(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", clean, packetMaximum(64), receiveMaximum(1), aliasMaximum(5))
	s.subscribe(1, "t", 1)
	publisher := dialScript(t, broker.Addr(), version5, "pub", clean)
	for id, payload := range []string{string(make([]byte, 64)), "a", string(make([]byte, 64)), "b"} {
		publisher.publish("t", payload, 1, uint16(id+1))
	}
	pk := s.receiveMessage("a")
	require.Equal(t, "t", pk.TopicName) // and not an alias that went with what was too large
	s.acknowledge(packets.Puback, pk.PacketID)
	s.receiveMessage("b")
	s.receivesNothingMore()
	client, ok := broker.server.Clients.Get("c")
	require.True(t, ok)
	require.Equal(t, 1, client.State.Inflight.Len())
	require.Len(t, events.of(messages.TypeMessageDelivered), 2)
}

func TestDelayOfAWillEndsWithItsSession(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", clean, willTo("will"), func(connect *packets.Packet) {
		connect.Properties.SessionExpiryIntervalFlag = false
		connect.Connect.WillProperties.WillDelayInterval = 3600
	})
	s.close()
	events.await(t, &messages.MessagePublished{ClientID: "c", Topic: "will", PayloadSize: 4, Payload: []byte("gone")})
}

func TestDelayedWillDoesNotExpire(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "sub", clean)
	s.subscribe(1, "will", 1)
	dialScript(t, broker.Addr(), version5, "c", willTo("will"), func(connect *packets.Packet) {
		connect.Connect.WillProperties.WillDelayInterval = 1
	}).close()
	require.Zero(t, s.receiveMessage("gone").Properties.MessageExpiryInterval)
}

func TestDisconnectKeepsASessionNoLongerThanTheBrokerDoes(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c")
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
		Properties:  packets.Properties{SessionExpiryInterval: 1 << 31, SessionExpiryIntervalFlag: true},
	})
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
	client, ok := broker.server.Clients.Get("c")
	require.True(t, ok)
	require.Equal(t, broker.server.Options.Capabilities.MaximumSessionExpiryInterval, client.Properties.Props.SessionExpiryInterval)
}

// types lists the events' types in their order, those that the names leave out apart.
func types(events []messages.Event, but ...messages.Type) []messages.Type {
	var all []messages.Type
	for _, event := range events {
		if !slices.Contains(but, event.EventType()) {
			all = append(all, event.EventType())
		}
	}
	return all
}
