package admin_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/admin"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

// The operator's side shows a router's metrics.
func ExampleNew() {
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "http://127.0.0.1:8888/"}}
	webhooks, err := router.Spawn(system, cfg, router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := admin.New(config.Admin{Listen: "127.0.0.1:0"}, webhooks, "1.0.0", quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	response, err := http.Get("http://" + server.Addr().String() + "/metrics")
	if err != nil {
		fmt.Println(err)
		return
	}
	metrics, err := io.ReadAll(response.Body)
	fmt.Println(strings.Contains(string(metrics), `webhookd_endpoint_breaker_state{endpoint="analytics",state="closed"} 1`), err)
	_ = response.Body.Close()
	fmt.Println(server.Close(context.Background()), webhooks.Close(context.Background()))
	// Output:
	// true <nil>
	// <nil> <nil>
}
