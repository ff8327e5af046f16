package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/source/ingest"
)

// printer is a router that prints what it takes.
type printer struct{}

func (printer) NotifySafe(_ context.Context, envelopes ...*messages.Envelope) error {
	for _, envelope := range envelopes {
		fmt.Println(envelope.Type(), envelope.RoutingTopic())
	}
	return nil
}

// The ingest hands what is posted to a router, all of a request or nothing.
func ExampleNew() {
	cfg := config.Ingest{Listen: "127.0.0.1:0", MaxBodyBytes: config.DefaultMaxBodyBytes}
	server, err := ingest.New(cfg, 1000, printer{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	event := `{"event_type":"message.published","data":{"client_id":"app-1","topic":"sensors/temperature"}}`
	response, err := http.Post("http://"+server.Addr().String()+"/v1/events", "application/json", strings.NewReader(event))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.StatusCode)
	_ = response.Body.Close()
	if err := server.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// message.published sensors/temperature
	// 202
}
