package mqttbroker

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestOldConnectionEndsBeforeTheNewOneBegins(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		for name, test := range map[string]struct {
			options []with
			removed []messages.Type
		}{
			"resumed": {nil, nil},
			"clean":   {[]with{clean}, []messages.Type{messages.TypeSubscriptionRemoved}},
		} {
			t.Run(name, func(t *testing.T) {
				broker, events := startBroker(t, config.MQTTBroker{})
				old := dialScript(t, broker.Addr(), version, "c")
				old.subscribe(1, "t", 1)
				before := len(events.all())
				s := dialScript(t, broker.Addr(), version, "c", test.options...)
				s.receivesNothingMore()
				want := append([]messages.Type{
					messages.TypeAuthSuccess, messages.TypeClientSessionTakeover, messages.TypeClientDisconnected,
				}, test.removed...)
				want = append(want, messages.TypeClientConnected)
				require.Equal(t, want, types(events.all()[before:]))
				require.Equal(t, &messages.ClientDisconnected{
					ClientID: "c", Reason: messages.ReasonTakeover, RemoteAddr: old.conn.LocalAddr().String(),
				}, events.of(messages.TypeClientDisconnected)[0])
				require.Equal(t, s.conn.LocalAddr().String(), events.of(messages.TypeClientConnected)[1].(*messages.ClientConnected).RemoteAddr)
				s.disconnect(0)
				require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 2 }, patience, time.Millisecond)
			})
		}
	})
}

func TestTakeoverOfAClientThatHangsUpIsToldOnceAndInOrder(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	old := dialScript(t, broker.Addr(), version5, "c")
	for range 50 {
		hangingUp := old
		go func() { _ = hangingUp.conn.Close() }()
		old = dialScript(t, broker.Addr(), version5, "c")
	}
	old.disconnect(0)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 51 }, patience, time.Millisecond)
	online := ""
	for _, event := range events.all() {
		switch e := event.(type) {
		case *messages.ClientConnected:
			require.Empty(t, online)
			online = e.RemoteAddr
		case *messages.ClientDisconnected:
			require.Equal(t, online, e.RemoteAddr)
			online = ""
		}
	}
}

func TestResumedClientIsConnectedBeforeItsMessagesAreDelivered(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 3, always(1))
		before := len(events.all())
		s := dialScript(t, broker.Addr(), version, "sub")
		for _, payload := range []string{"0", "1", "2"} {
			s.receiveMessage(payload)
		}
		require.Eventually(t, func() bool { return len(events.of(messages.TypeMessageDelivered)) == 3 }, patience, time.Millisecond)
		require.Equal(t, []messages.Type{
			messages.TypeAuthSuccess, messages.TypeClientConnected,
			messages.TypeMessageDelivered, messages.TypeMessageDelivered, messages.TypeMessageDelivered,
		}, types(events.all()[before:], messages.TypeClientDisconnected))
	})
}

func TestSubscriptionsOfAResumedSessionEndWithIt(t *testing.T) {
	ends := map[string]func(s *script, broker *Broker){
		"by UNSUBSCRIBE": func(s *script, _ *Broker) { s.unsubscribe(2, "t") },
		"by its client": func(s *script, _ *Broker) {
			s.send(packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
				Properties:  packets.Properties{SessionExpiryIntervalFlag: true},
			})
		},
		"by a clean start": func(s *script, broker *Broker) { dialScript(s.t, broker.Addr(), version5, "sub", clean) },
		"by a clean start while absent": func(s *script, broker *Broker) {
			s.disconnect(0)
			dialScript(s.t, broker.Addr(), version5, "sub", clean)
		},
		"by its expiry": func(s *script, _ *Broker) {
			s.send(packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
				Properties:  packets.Properties{SessionExpiryInterval: 1, SessionExpiryIntervalFlag: true},
			})
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			broker, events := startBroker(t, config.MQTTBroker{})
			absent(t, broker, events, version5)
			s := dialScript(t, broker.Addr(), version5, "sub")
			require.Empty(t, events.of(messages.TypeSubscriptionRemoved))
			end(s, broker)
			events.await(t, &messages.SubscriptionRemoved{ClientID: "sub", TopicFilter: "t"})
		})
	}
}

func TestRetainedMessageThatExpiresIsTold(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true}, TopicName: "t", Payload: []byte("x"),
		Properties: packets.Properties{MessageExpiryInterval: 1},
	})
	events.await(t, &messages.MessageRetained{Topic: "t", PayloadSize: 1}, &messages.MessageRetained{Topic: "t", Cleared: true})
}

// startMochi starts a plain mochi broker that allows everything, with a hook in it.
func startMochi(t *testing.T, change func(*mqtt.Capabilities)) (net.Addr, *recorder) {
	events := &recorder{}
	return startForeign(t, func(s *mqtt.Server) error {
		change(s.Options.Capabilities)
		return s.AddHook(new(auth.AllowHook), nil)
	}, func(s *mqtt.Server) error {
		return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil)
	}), events
}

func TestForeignBrokersEventsAreInOrderToo(t *testing.T) {
	address, events := startMochi(t, func(*mqtt.Capabilities) {})
	s := dialScript(t, address, version5, "c")
	s.subscribe(1, "t", 1)
	s.publish("t", "x", 1, 100)
	s.receive(packets.Puback)
	s.receiveMessage("x") // not acknowledged
	s.close()
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
	publisher := dialScript(t, address, version5, "pub", clean)
	publisher.publish("t", "y", 1, 100)
	publisher.receive(packets.Puback)
	publisher.disconnect(0)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 2 }, patience, time.Millisecond)
	before := len(events.all())
	s = dialScript(t, address, version5, "c")
	s.receive(packets.Publish)
	s.receive(packets.Publish)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeMessageDelivered)) == 2 }, patience, time.Millisecond)
	require.Equal(t, []messages.Type{messages.TypeAuthSuccess, messages.TypeClientConnected, messages.TypeMessageDelivered},
		types(events.all()[before:]))

	before = len(events.all())
	taking := dialScript(t, address, version5, "c")
	taking.receive(packets.Publish)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientConnected)) == 4 }, patience, time.Millisecond)
	require.Equal(t, []messages.Type{
		messages.TypeAuthSuccess, messages.TypeClientSessionTakeover, messages.TypeClientDisconnected, messages.TypeClientConnected,
	}, types(events.all()[before:]))
}

func TestSubscriptionIsToldAsItWasGranted(t *testing.T) {
	address, events := startMochi(t, func(c *mqtt.Capabilities) { c.MaximumQos = 1 })
	s := dialScript(t, address, version5, "c", clean)
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1,
		Properties: packets.Properties{SubscriptionIdentifier: []int{1}},
		Filters:    packets.Subscriptions{{Filter: "t", Qos: 2}},
	})
	require.Equal(t, []byte{1}, s.receive(packets.Suback).ReasonCodes)
	events.await(t, &messages.SubscriptionCreated{ClientID: "c", TopicFilter: "t", QoS: 1, SubscriptionID: 1})
}

func TestTopicAliasEndsWithItsConnection(t *testing.T) {
	d := deliveries{sessions: map[string]*sent{}}
	d.begin("c", false)
	d.queued("c", 1)
	introduced := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: "t", Properties: packets.Properties{TopicAlias: 1},
	}
	byAlias := introduced
	byAlias.TopicName = ""
	for _, pk := range []packets.Packet{introduced, byAlias} {
		topic, first := d.sent("c", &pk)
		require.Equal(t, []any{"t", true}, []any{topic, first})
	}
	d.begin("c", false)
	topic, _ := d.sent("c", &byAlias)
	require.Empty(t, topic)
}

func TestSlowReaderMissesNothingOfManyPublishers(t *testing.T) {
	const publishers, each = 16, 60 // more than mochi queues for a client
	broker, _ := startBroker(t, config.MQTTBroker{})
	slow := dialScript(t, broker.Addr(), version5, "slow", receiveMaximum(1))
	slow.subscribe(1, "t", 1)
	var publishing sync.WaitGroup
	for range publishers {
		publisher := dialRaw(t, broker.Addr(), connectPacketOf(version3, rand.Text(), false)...)
		publishing.Go(func() {
			for range each {
				_, _ = publisher.Write(publishPacket(0x32, "t", 1))
			}
			_, _ = io.ReadFull(publisher, make([]byte, 4+4*each)) // the CONNACK and each PUBACK
		})
	}
	publishing.Wait()
	for range publishers * each {
		slow.acknowledge(packets.Puback, slow.receive(packets.Publish).PacketID)
	}
	slow.receivesNothingMore()
	require.Eventually(t, func() bool { return broker.Used()["queues"] == 0 }, patience, time.Millisecond)
}
