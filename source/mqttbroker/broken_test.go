package mqttbroker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// brittle is a Notifier that panics over events of a type.
type brittle struct {
	recorder
	over messages.Type
}

func (b *brittle) Notify(ctx context.Context, event messages.Event) error {
	if event.EventType() == b.over {
		panic("a bug in the notifier")
	}
	return b.recorder.Notify(ctx, event)
}

func (b *brittle) NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error {
	if b.over == messages.TypeMessagePublished {
		panic("a bug in the notifier")
	}
	return b.recorder.NotifyReceipt(receipt, envelopes...)
}

func TestConnectionThatBreaksAmidAPacketGivesAllItTookBack(t *testing.T) {
	large := strings.Repeat("x", 3_000) // so that it takes room to be processed
	for name, test := range map[string]struct {
		over   messages.Type
		packet []byte
	}{
		"SUBSCRIBE": {messages.TypeSubscriptionCreated, append(subscribePacket("#", 1), subscribePacket(large, 1)...)},
		"large SUBSCRIBE": {
			messages.TypeSubscriptionCreated,
			packetOf(0x82, append(append([]byte{0, 1}, append(textOf("#"), 1)...), append(textOf(large), 1)...)),
		},
		"PUBLISH":          {messages.TypeMessagePublished, publishPacket(0x32, "t", 3_000)},
		"retained PUBLISH": {messages.TypeMessageRetained, publishPacket(0x31, "t", 3_000)},
	} {
		t.Run(name, func(t *testing.T) {
			broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", &brittle{over: test.over}, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			require.NoError(t, broker.Start())
			t.Cleanup(func() { require.NoError(t, broker.Close()) })
			c := newRawClient(t, broker, "c", 4, resuming)
			c.send(test.packet)
			c.close()
			requireNothingTaken(t, broker)
			newRawClient(t, broker, "c", 4).ping()
		})
	}
}

func TestConnectionThatBreaksBeforeAPacketIsWholeGivesItsRoomBack(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	for name, packet := range map[string][]byte{
		"PUBLISH":   publishPacket(0x32, "t", megabyte),
		"SUBSCRIBE": subscribePacket(strings.Repeat("x", 60_000), 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := newRawClient(t, broker, "c", 4)
			c.send(packet[:len(packet)-1])
			require.Eventually(t, func() bool { return broker.Used()["arriving"] > 0 }, patience, time.Millisecond)
			c.close()
			requireNothingTaken(t, broker)
		})
	}
}

func awaitConnections(t *testing.T, broker *Broker, count int) {
	t.Helper()
	require.Eventually(t, func() bool {
		broker.connections.mu.Lock()
		defer broker.connections.mu.Unlock()
		return len(broker.connections.open) == count
	}, patience, time.Millisecond)
}

func TestConnectionThatBreaksBeforeItsLoginLeavesItsPlace(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	conn := dialRaw(t, broker.Addr(), 0x10)
	connecting := broker.bounds.connecting
	require.Eventually(t, func() bool { return connecting.used() == 1 }, patience, time.Millisecond)
	require.NoError(t, conn.Close())
	requireNothingTaken(t, broker)
	require.Zero(t, connecting.used())
	require.Zero(t, connecting.oldest.Len())
}

// requireNothingTaken waits until no connection is left, and checks that none left anything behind.
func requireNothingTaken(t *testing.T, broker *Broker) {
	t.Helper()
	awaitConnections(t, broker, 0)
	for use, bytes := range broker.Used() {
		if use != "retained" {
			require.Zero(t, bytes, use)
		}
	}
	requireRoom(t, broker)
}

// requireRoom checks that nothing is being processed.
func requireRoom(t *testing.T, broker *Broker) {
	t.Helper()
	b := broker.bounds
	require.True(t, isFree(b.processing, b.processingBytes), "room to process packets")
	require.True(t, isFree(b.replaying, b.replayBytes), "room for retained messages")
	broker.quotas.publishing.mu.Lock()
	defer broker.quotas.publishing.mu.Unlock()
	require.Empty(t, broker.quotas.publishing.topics)
}

func isFree(room *semaphore.Weighted, all int64) bool {
	if !room.TryAcquire(all) {
		return false
	}
	room.Release(all)
	return true
}
