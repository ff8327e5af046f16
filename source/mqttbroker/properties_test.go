package mqttbroker

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

func TestContentTypeAndUserPropertiesReachTheReceiver(t *testing.T) {
	bodies := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	}))
	defer receiver.Close()
	cfg := config.Default()
	cfg.Webhook.Enabled, cfg.Webhook.IncludePayload = true, true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: receiver.URL, Events: []string{"message.published"}}}
	log := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	handle, err := router.Spawn(system, cfg, router.WithLogger(log))
	require.NoError(t, err)
	defer func() { require.NoError(t, handle.Close(context.Background())) }()
	broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", handle, log)
	require.NoError(t, err)
	require.NoError(t, broker.Start())
	defer func() { require.NoError(t, broker.Close()) }()

	dialMQTT5(t, broker.Addr(), login{id: "pub"}).publishMQTT5(&paho.Publish{
		Topic: "a/b", QoS: 1, Payload: []byte(`{}`),
		Properties: &paho.PublishProperties{
			ContentType: "application/json",
			User:        paho.UserProperties{{Key: "unit", Value: "°C"}, {Key: "unit", Value: "K"}, {Key: "a", Value: ""}},
		},
	})
	select {
	case body := <-bodies:
		require.Contains(t, body, `"data":{"client_id":"pub","topic":"a/b","qos":1,"retained":false,"payload_size":2,"payload":"e30=",`+
			`"content_type":"application/json","user_properties":[{"name":"unit","value":"°C"},{"name":"unit","value":"K"},{"name":"a","value":""}]}`)
	case <-time.After(patience):
		require.FailNow(t, "the receiver got nothing")
	}
}

func TestWillKeepsItsUserProperties(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	dialMQTT5(t, broker.Addr(), login{id: "c1", will: "gone", willProperties: paho.UserProperties{{Key: "n", Value: "v"}}}).sever()
	events.await(t, &messages.MessagePublished{
		ClientID: "c1", Topic: "gone", QoS: 1, PayloadSize: 4, Payload: []byte("gone"),
		UserProperties: []messages.UserProperty{{Name: "n", Value: "v"}},
	})
}

func TestEventKeepsNothingOfItsPacket(t *testing.T) {
	events := &recorder{}
	hook := NewHook(events, "n", slog.New(slog.DiscardHandler))
	client := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)}).NewClient(nil, "local", "pub", false)
	// As mochi reads them, texts point into the bytes of the packet.
	received := []byte("a/btext/plainnamevalue")
	text := func(from, to int) string { return unsafe.String(&received[from], to-from) }
	hook.OnPublished(client, packets.Packet{
		TopicName: text(0, 3), Payload: received[:1],
		Properties: packets.Properties{ContentType: text(3, 13), User: []packets.UserProperty{{Key: text(13, 17), Val: text(17, 22)}}},
	})
	clear(received)
	events.await(t, &messages.MessagePublished{
		ClientID: "pub", Topic: "a/b", PayloadSize: 1, Payload: []byte("a"), ContentType: "text/plain",
		UserProperties: []messages.UserProperty{{Name: "name", Value: "value"}},
	})
}
