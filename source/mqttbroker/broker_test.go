package mqttbroker

import (
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	mqtt3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(folderToKillIn); dir != "" {
		beKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func TestConnectionIsToldFromLoginToDisconnect(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, protocol string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		c := dial(t, broker.Addr(), login{id: "c1"})
		events.await(t, &messages.AuthSuccess{ClientID: "c1", RemoteAddr: c.addr})
		events.await(t, &messages.ClientConnected{
			ClientID: "c1", Protocol: protocol, CleanStart: true, KeepAlive: 30, RemoteAddr: c.addr,
		})
		c.disconnect()
		events.await(t, &messages.ClientDisconnected{ClientID: "c1", Reason: messages.ReasonNormal, RemoteAddr: c.addr})
	})
}

func TestResumedSessionIsNoCleanStart(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, protocol string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		c := dial(t, broker.Addr(), login{id: "c1", resume: true})
		events.await(t, &messages.ClientConnected{
			ClientID: "c1", Protocol: protocol, CleanStart: false, KeepAlive: 30, RemoteAddr: c.addr,
		})
	})
}

func TestPublishIsDeliveredAndBothAreTold(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		for qos := range byte(3) {
			broker, events := startBroker(t, config.MQTTBroker{})
			subscriber := dial(t, broker.Addr(), login{id: "sub"})
			subscriber.subscribe(0, map[string]byte{"a/+": qos})
			dial(t, broker.Addr(), login{id: "pub"}).publish("a/b", qos, false, "hello")
			subscriber.awaitMessage(t, "hello")
			events.await(t, &messages.MessagePublished{
				ClientID: "pub", Topic: "a/b", QoS: qos, PayloadSize: 5, Payload: []byte("hello"),
			})
			events.await(t, &messages.MessageDelivered{ClientID: "sub", Topic: "a/b", QoS: qos, PayloadSize: 5})
		}
	})
}

func TestRetainedMessageIsToldWhenSetAndWhenCleared(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		c := dial(t, broker.Addr(), login{id: "c1"})
		c.publish("t", 1, true, "") // there is none to clear yet
		c.publish("t", 1, true, "kept")
		events.await(t, &messages.MessageRetained{Topic: "t", PayloadSize: 4})
		c.publish("t", 1, true, "")
		events.await(t,
			&messages.MessageRetained{Topic: "t", PayloadSize: 4},
			&messages.MessageRetained{Topic: "t", Cleared: true})
		events.await(t,
			&messages.MessagePublished{ClientID: "c1", Topic: "t", QoS: 1, Retained: true, Payload: []byte{}},
			&messages.MessagePublished{ClientID: "c1", Topic: "t", QoS: 1, Retained: true, PayloadSize: 4, Payload: []byte("kept")},
			&messages.MessagePublished{ClientID: "c1", Topic: "t", QoS: 1, Retained: true, Payload: []byte{}})
	})
}

func TestSubscriptionsAreToldWhenCreatedAndRemoved(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, protocol string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		c := dial(t, broker.Addr(), login{id: "c1"})
		c.subscribe(7, map[string]byte{"a/#": 2, "$share/g/b": 1})
		id := map[string]int{messages.ProtocolMQTT3: 0, messages.ProtocolMQTT5: 7}[protocol]
		events.await(t,
			&messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "a/#", QoS: 2, SubscriptionID: id},
			&messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "$share/g/b", QoS: 1, SubscriptionID: id})
		c.unsubscribe("a/#", "never/subscribed")
		events.await(t, &messages.SubscriptionRemoved{ClientID: "c1", TopicFilter: "a/#"})
		c.disconnect()
		events.await(t,
			&messages.SubscriptionRemoved{ClientID: "c1", TopicFilter: "a/#"},
			&messages.SubscriptionRemoved{ClientID: "c1", TopicFilter: "$share/g/b"})
	})
}

func TestMessageForAnAbsentClientIsDeliveredOnce(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		subscriber := dial(t, broker.Addr(), login{id: "sub", resume: true})
		subscriber.subscribe(0, map[string]byte{"t": 1})
		subscriber.disconnect()
		events.await(t, &messages.ClientDisconnected{ClientID: "sub", Reason: messages.ReasonNormal, RemoteAddr: subscriber.addr})

		publisher := dial(t, broker.Addr(), login{id: "pub"})
		publisher.publish("t", 1, false, "later")
		// mochi acknowledges a message before it hands it to the sessions.
		events.await(t, &messages.MessagePublished{ClientID: "pub", Topic: "t", QoS: 1, PayloadSize: 5, Payload: []byte("later")})
		require.Empty(t, events.of(messages.TypeMessageDelivered))

		subscriber = dial(t, broker.Addr(), login{id: "sub", resume: true})
		subscriber.awaitMessage(t, "later")
		events.await(t, &messages.MessageDelivered{ClientID: "sub", Topic: "t", QoS: 1, PayloadSize: 5})
		require.Empty(t, events.of(messages.TypeSubscriptionRemoved))
	})
}

func TestRepetitionIsNoSecondDelivery(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	connect := connectPacket(4, 30)
	connect[9] = 0 // no clean session
	subscribe := []byte{0x82, 6, 0, 1, 0, 1, 't', 1}
	unacknowledging := dialRaw(t, broker.Addr(), append(connect, subscribe...)...)
	events.await(t, &messages.SubscriptionCreated{ClientID: "raw", TopicFilter: "t", QoS: 1})
	publisher := dialMQTT3(t, broker.Addr(), login{id: "pub"})
	publisher.publish("t", 1, false, "x")
	events.await(t, &messages.MessageDelivered{ClientID: "raw", Topic: "t", QoS: 1, PayloadSize: 1})
	require.NoError(t, unacknowledging.Close())
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)

	again := dialRaw(t, broker.Addr(), connect...)
	repetition := []byte{0x20, 2, 1, 0, 0x3A, 6, 0, 1, 't', 0, 1, 'x'} // CONNACK, PUBLISH with DUP
	received := make([]byte, len(repetition))
	require.NoError(t, again.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.ReadFull(again, received)
	require.NoError(t, err)
	require.Equal(t, repetition, received)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientConnected)) == 3 }, patience, time.Millisecond)
	require.Len(t, events.of(messages.TypeMessageDelivered), 1)
}

func TestTakeoverNamesTheNodeAndEndsTheOldConnection(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		for _, resume := range []bool{false, true} {
			broker, events := startBroker(t, config.MQTTBroker{})
			old := dial(t, broker.Addr(), login{id: "c1", resume: resume})
			events.await(t, &messages.AuthSuccess{ClientID: "c1", RemoteAddr: old.addr})
			dial(t, broker.Addr(), login{id: "c1", resume: resume})
			events.await(t, &messages.ClientSessionTakeover{ClientID: "c1", FromNode: "node-1", ToNode: "node-1"})
			events.await(t, &messages.ClientDisconnected{ClientID: "c1", Reason: messages.ReasonTakeover, RemoteAddr: old.addr})
		}
	})
}

func TestBrokenConnectionIsAnErrorAndPublishesTheWill(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startBroker(t, config.MQTTBroker{})
		c := dial(t, broker.Addr(), login{id: "c1", will: "last/will"})
		c.sever()
		events.await(t, &messages.ClientDisconnected{ClientID: "c1", Reason: messages.ReasonError, RemoteAddr: c.addr})
		events.await(t, &messages.MessagePublished{ClientID: "c1", Topic: "last/will", QoS: 1, PayloadSize: 4, Payload: []byte("gone")})
	})
}

func TestDisconnectPacketTellsTheReason(t *testing.T) {
	for name, test := range map[string]struct {
		packet []byte
		reason string
	}{
		"normal":     {[]byte{0xE0, 2, 0x00, 0}, messages.ReasonNormal},
		"with will":  {[]byte{0xE0, 2, 0x04, 0}, messages.ReasonError},
		"with error": {[]byte{0xE0, 2, 0x80, 0}, messages.ReasonError},
		"malformed":  {[]byte{0xF1, 0}, messages.ReasonError},
	} {
		t.Run(name, func(t *testing.T) {
			broker, events := startBroker(t, config.MQTTBroker{})
			conn := dialRaw(t, broker.Addr(), append(connectPacket(5, 30), test.packet...)...)
			events.await(t, &messages.ClientDisconnected{ClientID: "raw", Reason: test.reason, RemoteAddr: conn.LocalAddr().String()})
		})
	}
}

func TestSilenceIsATimeout(t *testing.T) {
	t.Run("TCP", func(t *testing.T) {
		broker, events := startBroker(t, config.MQTTBroker{})
		conn := dialRaw(t, broker.Addr(), connectPacket(4, 1)...)
		events.await(t, &messages.ClientDisconnected{ClientID: "raw", Reason: messages.ReasonTimeout, RemoteAddr: conn.LocalAddr().String()})
	})
	t.Run("WebSocket", func(t *testing.T) {
		broker, events := startBroker(t, config.MQTTBroker{WebSocketListen: "127.0.0.1:0"})
		dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
		conn, _, err := dialer.Dial("ws://"+broker.WebSocketAddr().String(), nil)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		require.Equal(t, "mqtt", conn.Subprotocol())
		require.NoError(t, conn.WriteMessage(websocket.BinaryMessage, connectPacket(5, 1)))
		events.await(t, &messages.ClientDisconnected{ClientID: "raw", Reason: messages.ReasonTimeout, RemoteAddr: conn.LocalAddr().String()})
	})
}

func TestWebSocketClientPublishes(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{WebSocketListen: "127.0.0.1:0"})
	c := mqtt3.NewClient(mqtt3.NewClientOptions().AddBroker("ws://" + broker.WebSocketAddr().String()).SetClientID("browser"))
	require.True(t, c.Connect().WaitTimeout(patience))
	require.True(t, c.Publish("t", 1, false, "x").WaitTimeout(patience))
	events.await(t, &messages.MessagePublished{ClientID: "browser", Topic: "t", QoS: 1, PayloadSize: 1, Payload: []byte("x")})
	c.Disconnect(100)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
}

func TestForeignWebPageNeedsALogin(t *testing.T) {
	origin := map[string][]string{"Origin": {"https://elsewhere.example"}}
	for name, test := range map[string]struct {
		users   []config.User
		allowed bool
	}{
		"open broker": {nil, false},
		"with users":  {[]config.User{{Username: "u", Password: "p"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			broker, _ := startBroker(t, config.MQTTBroker{WebSocketListen: "127.0.0.1:0", Users: test.users})
			conn, _, err := websocket.DefaultDialer.Dial("ws://"+broker.WebSocketAddr().String(), origin)
			require.Equal(t, test.allowed, err == nil)
			if err == nil {
				require.NoError(t, conn.Close())
			}
		})
	}
}

func TestCloseTellsOfEveryClientItDisconnects(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	dialMQTT3(t, broker.Addr(), login{id: "three"})
	dialMQTT5(t, broker.Addr(), login{id: "five", resume: true})
	dialTCP(t, broker.Addr()) // says nothing
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientConnected)) == 2 }, patience, time.Millisecond)
	require.NoError(t, broker.Close())
	ended := events.of(messages.TypeClientDisconnected)
	require.Len(t, ended, 2)
	for _, event := range ended {
		require.Equal(t, messages.ReasonError, event.(*messages.ClientDisconnected).Reason)
	}
	require.NoError(t, broker.Close())
}

func TestCloseWithoutStartIsClean(t *testing.T) {
	broker, err := New(config.MQTTBroker{}, "node-1", &recorder{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, broker.Close())
}

func TestStartSaysWhatCanNotBeListenedOn(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	for name, test := range map[string]struct {
		cfg  config.MQTTBroker
		want string
	}{
		"TCP":       {config.MQTTBroker{Listen: taken.Addr().String()}, "listen for MQTT: "},
		"WebSocket": {config.MQTTBroker{Listen: "127.0.0.1:0", WebSocketListen: taken.Addr().String()}, "listen for MQTT over WebSocket: "},
	} {
		t.Run(name, func(t *testing.T) {
			broker, err := New(test.cfg, "node-1", &recorder{}, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			require.ErrorContains(t, broker.Start(), test.want)
			require.NoError(t, broker.Close())
		})
	}
}
