package mqttbroker

import (
	"testing"
	"time"

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
