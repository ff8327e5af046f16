package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Without a folder the latest dead letters stay in memory.
func ExampleOpenDeadLetters() {
	letters, err := store.OpenDeadLetters(config.DeadLetters{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: "c1"})
	event.ID = "e1"
	if err := event.Admit(messages.Admission{BrokerID: "broker-1"}, time.Now()); err != nil {
		fmt.Println(err)
		return
	}
	letters.Keep(&store.DeadLetter{Endpoint: "analytics", Event: event, Attempts: 1, Reason: "rejected", Time: time.Now()}, false)

	page, err := letters.List(context.Background(), store.DeadLetterQuery{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, letter := range page.Letters {
		fmt.Println(letter.Endpoint, letter.EventID, letter.Reason)
	}
	if err := letters.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: analytics e1 rejected
}
