package httpclient_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
	"github.com/fluxmq/webhookd/messages"
)

// One Send is one attempt, and its outcome says what the answer means.
func ExampleNew() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a", URL: server.URL}}
	client, err := httpclient.New(webhook.Resolve()[0], slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: "c1"})
	if err := event.Admit(messages.Admission{BrokerID: "broker-1"}, time.Now()); err != nil {
		fmt.Println(err)
		return
	}
	outcome := client.Send(context.Background(), event.ID, []*messages.Envelope{event})
	fmt.Println(outcome.Kind, outcome.Status, outcome.Pause)
	// Output: throttled 503 7s
}
