package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

// receive starts an HTTP server that prints the events that arrive.
func receive() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var event struct {
			Type string          `json:"event_type"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.NewDecoder(request.Body).Decode(&event); err != nil {
			fmt.Println(err)
		}
		fmt.Println(event.Type, string(event.Data))
	}))
}

// configured is the default configuration with these endpoints.
func configured(endpoints ...config.Endpoint) config.Config {
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = endpoints
	return cfg
}

var quiet = slog.New(slog.DiscardHandler)

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
}

// A router lives in the caller's actor system, and takes events from any goroutine.
func ExampleSpawn() {
	server := receive()
	defer server.Close()
	cfg := configured(config.Endpoint{Name: "analytics", URL: server.URL, TopicFilters: []string{"sensors/#"}})

	webhooks, err := router.Spawn(newSystem(), cfg, router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	event := &messages.MessagePublished{ClientID: "publisher-1", Topic: "sensors/temperature", QoS: 1, PayloadSize: 256}
	if err := webhooks.Notify(context.Background(), event); err != nil {
		fmt.Println(err)
	}
	if err := webhooks.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: message.published {"client_id":"publisher-1","topic":"sensors/temperature","qos":1,"retained":false,"payload_size":256}
}

// A broker asks before it builds an event.
func ExampleHandle_Wants() {
	cfg := configured(config.Endpoint{
		Name: "analytics", URL: "http://127.0.0.1:8000/", Events: []string{"message.*"}, TopicFilters: []string{"sensors/#"},
	})
	webhooks, err := router.Spawn(newSystem(), cfg, router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(webhooks.Wants(messages.TypeMessagePublished, "sensors/temperature"))
	fmt.Println(webhooks.Wants(messages.TypeMessagePublished, "$SYS/uptime"))
	fmt.Println(webhooks.Wants(messages.TypeClientConnected, ""))
	_ = webhooks.Close(context.Background())
	// Output:
	// true
	// false
	// false
}

// An actor sends its events to the router's PID.
func ExampleHandle_PID() {
	server := receive()
	defer server.Close()
	system := newSystem()
	webhooks, err := router.Spawn(system, configured(config.Endpoint{Name: "audit", URL: server.URL}), router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	login := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if clientID, ok := ctx.Message().(string); ok {
			ctx.Send(webhooks.PID(), &messages.AuthFailure{ClientID: clientID, Reason: "bad password"})
		}
	}))
	system.Root.Send(login, "client-1")
	_ = system.Root.PoisonFuture(login).Wait() // the sources end before the router
	_ = webhooks.Close(context.Background())
	// Output: auth.failure {"client_id":"client-1","reason":"bad password","remote_addr":""}
}

// Close delivers what is queued. What it has to give up, and no file keeps, is lost.
func ExampleHandle_Close() {
	server := receive()
	server.Close() // the endpoint is away
	webhooks, err := router.Spawn(newSystem(), configured(config.Endpoint{Name: "away", URL: server.URL}), router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		_ = webhooks.Notify(context.Background(), &messages.AuthSuccess{ClientID: "client-1"})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var lost *router.LostError
	if err := webhooks.Close(ctx); errors.As(err, &lost) {
		fmt.Println(lost.Events, "of", webhooks.Stats().Endpoints[0].Accepted)
	}
	fmt.Println(webhooks.Notify(context.Background(), &messages.AuthSuccess{ClientID: "client-1"}))
	// Output:
	// 3 of 3
	// the router is closed
}

// broker is an actor of a broker, with the router as its child.
type broker struct {
	cfg      config.Config
	webhooks *router.Handle
}

func (b *broker) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		var err error
		if b.webhooks, err = router.Spawn(ctx.ActorSystem(), b.cfg, router.WithParent(ctx), router.WithLogger(quiet)); err != nil {
			fmt.Println(err)
			ctx.Stop(ctx.Self())
		}
	case *messages.SubscriptionCreated:
		ctx.Send(b.webhooks.PID(), message)
	case *actor.Stopping:
		if b.webhooks != nil {
			_ = b.webhooks.Close(context.Background())
		}
	}
}

// A broker that is an actor makes the router its child.
func ExampleWithParent() {
	server := receive()
	defer server.Close()
	system := newSystem()
	pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &broker{cfg: configured(config.Endpoint{Name: "audit", URL: server.URL, Events: []string{"subscription.*"}})}
	}))
	system.Root.Send(pid, &messages.SubscriptionCreated{ClientID: "client-1", TopicFilter: "$share/group/sensors/#", QoS: 1})
	_ = system.Root.PoisonFuture(pid).Wait()
	// Output: subscription.created {"client_id":"client-1","topic_filter":"$share/group/sensors/#","qos":1}
}
