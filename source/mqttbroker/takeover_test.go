package mqttbroker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestConnectionThatEndsLongAfterItWasTakenOverTakesNothingFromItsSuccessor(t *testing.T) {
	large := append(textOf(strings.Repeat("x", 3_000)), 1) // so that the packet takes room to be processed
	underWay := map[string]struct {
		packet []byte
		room   func(*bounds) (*semaphore.Weighted, int64)
	}{
		"a SUBSCRIBE that waits for retained messages": {
			packetOf(0x82, append(append([]byte{0, 1}, append(textOf("late/#"), 1)...), large...)),
			func(b *bounds) (*semaphore.Weighted, int64) { return b.replaying, b.replayBytes },
		},
		"an UNSUBSCRIBE that waits to be processed": {
			packetOf(0xA2, append(append([]byte{0, 1}, textOf("kept")...), large[:len(large)-1]...)), processingRoom,
		},
		"a PUBLISH that waits to be processed": {publishPacket(0x34, "t", 3_000), processingRoom},
	}
	for name, late := range underWay {
		for kind, resume := range map[string]bool{"clean": fresh, "resumed": resuming} {
			t.Run(name+", "+kind, func(t *testing.T) { endLate(t, late.packet, late.room, resume) })
		}
	}
}

// endLate has a connection taken over while its packet waits for room, and the new one taken over in turn.
func endLate(t *testing.T, packet []byte, roomOf func(*bounds) (*semaphore.Weighted, int64), resume bool) {
	broker, events := startBroker(t, config.MQTTBroker{})
	old := newRawClient(t, broker, "c", 4, resume)
	old.send(subscribePacket("kept", 1))
	old.receive()
	room, all := roomOf(broker.bounds)
	require.True(t, room.TryAcquire(all))
	old.send(packet)
	require.Eventually(t, func() bool { return broker.Used()["arriving"] > 0 }, patience, time.Millisecond)

	c := newRawClient(t, broker, "c", 4, resume)
	c.send(subscribePacket("own", 1))
	c.receive()
	told := len(events.all())
	room.Release(all)
	awaitConnections(t, broker, 1)

	require.Empty(t, types(events.all()[told:]))
	require.Zero(t, broker.Used()["queues"])
	requireRoom(t, broker)
	publisher := newRawClient(t, broker, "publisher", 4)
	for _, topic := range []string{"late/1", "kept", "own"} {
		publisher.send(publishPacket(0x32, topic, 1))
		publisher.receive()
	}
	subscribed := []string{"own"}
	if resume {
		subscribed = []string{"kept", "own"}
	}
	for _, topic := range subscribed {
		require.Contains(t, string(c.receive()), topic)
	}
	require.Eventually(t, func() bool { return len(events.of(messages.TypeMessageDelivered)) == len(subscribed) }, patience, time.Millisecond)
	c.ping()
	publisher.send([]byte{0xE0, 0})
	awaitConnections(t, broker, 1)
	next := newRawClient(t, broker, "c", 4, fresh)
	next.ping()
	require.Equal(t, []messages.Type{
		messages.TypeClientConnected, messages.TypeClientDisconnected, messages.TypeClientConnected,
		messages.TypeClientDisconnected, messages.TypeClientConnected,
	}, presence(events, "c"))
	next.send([]byte{0xE0, 0})
	requireNothingTaken(t, broker)
}

func processingRoom(b *bounds) (*semaphore.Weighted, int64) {
	return b.processing, b.processingBytes
}

// presence is what a tracker hears of a client.
func presence(events *recorder, clientID string) []messages.Type {
	var heard []messages.Type
	for _, event := range events.all() {
		switch event.(type) {
		case *messages.ClientConnected, *messages.ClientDisconnected:
			if messages.ClientID(event) == clientID {
				heard = append(heard, event.EventType())
			}
		}
	}
	return heard
}
