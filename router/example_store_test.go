package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

// A store keeps what is held over the end of the program: here a stop, as well a kill -9.
func ExampleWithStore() {
	dir, err := os.MkdirTemp("", "kept")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, events := range []int{3, 0} {
		if err := runKept(dir, events); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 3 held
	// 3 held
}

// runKept is one life of a program, whose only endpoint is away.
func runKept(dir string, events int) error {
	log := slog.New(slog.DiscardHandler)
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "away", URL: "http://127.0.0.1:1/"}}
	keeper, err := bolt.Open(dir, log)
	if err != nil {
		return err
	}
	kept, err := store.Open(keeper, cfg.Store, cfg.DeadLetters, log)
	if err != nil {
		return err
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	handle, err := router.Spawn(system, cfg, router.WithLogger(log), router.WithStore(kept))
	if err != nil {
		return err
	}
	for range events {
		event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
		if err := handle.NotifySafe(context.Background(), event); err != nil { // it is on the disk when this returns
			return err
		}
	}
	if err := handle.Close(context.Background()); err != nil {
		return err
	}
	fmt.Println(handle.Stats().Kept(), "held")
	return kept.Close()
}
