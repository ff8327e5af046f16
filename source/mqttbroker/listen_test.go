package mqttbroker

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// truncatedSubscribe ends after its filter, before the options (MQTT 5.0 §3.8.3).
var truncatedSubscribe = []byte{0x82, 6, 0, 1, 0, 0, 1, 't'}

func TestMalformedPacketEndsItsConnectionAlone(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	bystander := dialMQTT5(t, broker.Addr(), login{id: "bystander"})
	conn := dialRaw(t, broker.Addr(), append(connectPacket(5, 30), truncatedSubscribe...)...)
	events.await(t, &messages.ClientDisconnected{ClientID: "raw", Reason: messages.ReasonError, RemoteAddr: conn.LocalAddr().String()})
	bystander.publish("t", 1, false, "x")
	events.await(t, &messages.MessagePublished{ClientID: "bystander", Topic: "t", QoS: 1, PayloadSize: 1, Payload: []byte("x")})
}

func TestTooLargePacketEndsItsConnection(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	tooLarge := []byte{0x30, 0x80, 0x80, 0x40} // the length 1 MiB
	conn := dialRaw(t, broker.Addr(), append(connectPacket(5, 30), tooLarge...)...)
	events.await(t, &messages.ClientDisconnected{ClientID: "raw", Reason: messages.ReasonError, RemoteAddr: conn.LocalAddr().String()})
}

func TestClientThatDoesNotReadDelaysCloseBriefly(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	client, server := net.Pipe() // in which a write waits for its reader
	broker.connections.serve(server, broker.serve)
	_, err := client.Write(connectPacket(5, 0))
	require.NoError(t, err)
	_, err = io.ReadFull(client, make([]byte, 2)) // of the CONNACK; the rest is not read
	require.NoError(t, err)
	begun := time.Now()
	require.NoError(t, broker.Close())
	require.Less(t, time.Since(begun), disconnectGrace+5*time.Second)
	require.Len(t, events.of(messages.TypeClientDisconnected), len(events.of(messages.TypeClientConnected)))
}

func TestOnlyMochisErrorsAreLogged(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(errorsOnly{slog.NewTextHandler(&text, nil)}).With("a", 1).WithGroup("g")
	log.Warn("holds a packet")
	require.Empty(t, text.String())
	log.Error("fails")
	require.Contains(t, text.String(), "fails")
}

// FuzzClient sends anything after a login: the broker must survive it, and tell that the client is gone.
func FuzzClient(f *testing.F) {
	f.Add(byte(5), truncatedSubscribe)
	f.Add(byte(4), []byte{0x82, 6, 0, 1, 0, 1, 't', 1})
	f.Add(byte(5), []byte{0x34, 7, 0, 1, 't', 0, 1, 0, 'x'})
	f.Add(byte(5), []byte{0xE0, 2, 0x80, 0})
	f.Fuzz(func(t *testing.T, version byte, sent []byte) {
		recorder := &recorder{}
		broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", recorder, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, broker.server.Serve())
		client, server := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		broker.connections.serve(server, broker.serve)
		_, _ = client.Write(append(connectPacket(version, 30), sent...))
		require.NoError(t, client.Close())
		require.NoError(t, broker.Close())
		require.Len(t, recorder.of(messages.TypeClientDisconnected), len(recorder.of(messages.TypeClientConnected)))
	})
}
