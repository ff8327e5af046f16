package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Without a store the latest dead letters stay in memory.
func ExampleNewMemoryLetters() {
	letters := store.NewMemoryLetters()
	event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: "c1"})
	event.ID = "e1"
	if err := event.Admit(messages.Admission{BrokerID: "broker-1"}, time.Now()); err != nil {
		fmt.Println(err)
		return
	}
	letter := &store.DeadLetter{Endpoint: "analytics", Event: event, Attempts: 1, Reason: "rejected", Time: time.Now()}
	letters.GiveUp(delivery.Place{}, letter, func(err error) { fmt.Println("lost:", err != nil) })

	page, err := letters.List(context.Background(), store.DeadLetterQuery{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, letter := range page.Letters {
		fmt.Println(letter.Endpoint, letter.EventID, letter.Reason)
	}
	// Output:
	// lost: false
	// analytics e1 rejected
}
