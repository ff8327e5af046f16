package router_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
)

// What an endpoint rejected is replayed when the endpoint is repaired.
func ExampleHandle_ReplayDeadLetters() {
	var repaired atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !repaired.Load() {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	defer server.Close()
	cfg := configured(config.Endpoint{Name: "billing", URL: server.URL}) // dead letters in memory: only a store keeps them
	webhooks, err := router.Spawn(newSystem(), cfg, router.WithLogger(quiet))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := webhooks.Notify(context.Background(), &messages.ClientConnected{ClientID: "c"}); err != nil {
		fmt.Println(err)
	}
	for len(webhooks.DeadLetters()) == 0 {
		time.Sleep(time.Millisecond)
	}

	repaired.Store(true)
	result, err := webhooks.ReplayDeadLetters(context.Background(), store.DeadLetterFilter{Endpoint: "billing", Error: "422"}, store.ReplayOptions{})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("replayed:", result.Accepted)
	if err := webhooks.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: replayed: 1
}
