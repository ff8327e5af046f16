package delivery_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// An endpoint is away when its first event comes, and back at the second attempt.
func ExampleEndpoint() {
	cfg := config.Default()
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "billing"}}
	noJitter := func() float64 { return 0 }
	endpoint := delivery.NewEndpoint(cfg.Webhook.Resolve()[0], noJitter, func() string { return "batch" })
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	event := messages.NewEnvelope(&messages.ClientConnected{ClientID: "c"})
	if err := event.Admit(messages.Admission{}, began); err != nil {
		fmt.Println(err)
	}
	if _, err := endpoint.Backlog().Offer(began, event); err != nil {
		fmt.Println(err)
	}

	outcomes := []messages.Outcome{
		{Kind: messages.OutcomeAway, Err: errors.New("connection refused")},
		{Kind: messages.OutcomeDelivered, Status: 204, Sent: true},
	}
	for now, ok := began, true; ok; now, ok = endpoint.Wake(now) {
		for d := endpoint.Next(now); d != nil; d = endpoint.Next(now) {
			fmt.Printf("after %s: %d event goes out\n", now.Sub(began), len(d.Events()))
			fmt.Println(endpoint.Settle(now, d, outcomes[0]))
			outcomes = outcomes[1:]
		}
	}
	ledger := endpoint.Backlog().Ledger()
	fmt.Printf("%d accepted, %d delivered, %d held\n", ledger.Accepted, ledger.Of(delivery.Delivered), ledger.Held())
	// Output:
	// after 0s: 1 event goes out
	// retry
	// after 1s: 1 event goes out
	// delivered
	// 1 accepted, 1 delivered, 0 held
}
