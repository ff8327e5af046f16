package mqttbroker_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/source/mqttbroker"
)

// printer is a notifier that prints what it hears.
type printer struct{}

func (printer) Notify(_ context.Context, event messages.Event) error {
	fmt.Println(event.EventType())
	return nil
}

func (printer) NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error {
	for _, envelope := range envelopes {
		fmt.Println(envelope.Type())
	}
	receipt(nil) // the event is safe once it is printed
	return nil
}

func (printer) Wants(messages.Type, string) bool { return true }

// A broker listens from Start on, and tells its notifier what happens in it.
func ExampleNew() {
	cfg := config.MQTTBroker{Listen: "127.0.0.1:0"}
	broker, err := mqttbroker.New(cfg, "broker-1", printer{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := broker.Start(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(broker.Addr().Network())
	if err := broker.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: tcp
}
