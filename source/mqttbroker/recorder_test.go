package mqttbroker

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// recorder is a Notifier that keeps everything.
type recorder struct {
	mu     sync.Mutex
	events []messages.Event
}

func (r *recorder) Notify(_ context.Context, event messages.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	return nil
}

// NotifyReceipt gives the receipt at once.
func (r *recorder) NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error {
	if err := r.keep(envelopes); err != nil {
		return err
	}
	receipt(nil)
	return nil
}

func (r *recorder) keep(envelopes []*messages.Envelope) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, envelope := range envelopes {
		event, err := envelope.Event()
		if err != nil {
			return err
		}
		r.events = append(r.events, event)
	}
	return nil
}

func (*recorder) Wants(messages.Type, string) bool { return true }

func (r *recorder) all() []messages.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// of lists the events of the type so far.
func (r *recorder) of(t messages.Type) []messages.Event {
	return slices.DeleteFunc(r.all(), func(event messages.Event) bool { return event.EventType() != t })
}

// await waits until the events of the first one's type are exactly these, in any order.
func (r *recorder) await(t *testing.T, want ...messages.Event) {
	t.Helper()
	kind := want[0].EventType()
	require.Eventually(t, func() bool { return len(r.of(kind)) >= len(want) }, patience, time.Millisecond,
		"waiting for %s %+v", kind, want)
	require.ElementsMatch(t, want, r.of(kind))
}

func startBroker(t *testing.T, cfg config.MQTTBroker) (*Broker, *recorder) {
	recorder := &recorder{}
	return startBrokerFor(t, cfg, recorder), recorder
}

func startBrokerFor(t testing.TB, cfg config.MQTTBroker, notifier Notifier, hooks ...mqtt.Hook) *Broker {
	cfg.Listen = "127.0.0.1:0"
	broker, err := New(cfg, "node-1", notifier, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, hook := range hooks {
		require.NoError(t, broker.server.AddHook(hook, nil))
	}
	require.NoError(t, broker.Start())
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	return broker
}

// startForeign starts a plain mochi broker with the hooks in their order.
func startForeign(t *testing.T, hooks ...func(*mqtt.Server) error) net.Addr {
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	for _, add := range hooks {
		require.NoError(t, add(server))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, server.AddListener(listeners.NewNet("tcp", listener)))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return listener.Addr()
}
