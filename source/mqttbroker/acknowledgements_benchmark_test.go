package mqttbroker

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// committing gives the receipts of what came in the last ten milliseconds together, as a store does.
type committing struct {
	indifferent
	receipts chan func(error)
}

func (committing) Wants(t messages.Type, _ string) bool { return t == messages.TypeMessagePublished }

func (c committing) NotifyReceipt(receipt func(error), _ ...*messages.Envelope) error {
	c.receipts <- receipt
	return nil
}

func (c committing) run(ended <-chan struct{}) {
	commit := time.NewTicker(10 * time.Millisecond)
	defer commit.Stop()
	for {
		select {
		case <-commit.C:
			for range len(c.receipts) {
				(<-c.receipts)(nil)
			}
		case <-ended:
			return
		}
	}
}

// prompt gives receipts at once.
type prompt struct{ committing }

func (prompt) NotifyReceipt(receipt func(error), _ ...*messages.Envelope) error {
	receipt(nil)
	return nil
}

// BenchmarkPublishQoS1 is one client with 100 messages of 64 bytes under way.
func BenchmarkPublishQoS1(b *testing.B) {
	b.Run("nobody wants them", func(b *testing.B) { benchmarkPublish(b, indifferent{}) })
	b.Run("receipts at once", func(b *testing.B) { benchmarkPublish(b, prompt{}) })
	b.Run("receipts of a store", func(b *testing.B) {
		c := committing{receipts: make(chan func(error), maxUnacknowledged)}
		ended := make(chan struct{})
		defer close(ended)
		go c.run(ended)
		benchmarkPublish(b, c)
	})
}

func benchmarkPublish(b *testing.B, notifier Notifier) {
	const underWay, atOnce = 100, 50
	broker := startBrokerFor(b, config.MQTTBroker{}, notifier)
	conn := dialPublisher(b, broker, 0)
	var batch []byte
	for id := range atOnce {
		batch = append(batch, smallPublish(uint16(id+1))...)
	}
	acks := make([]byte, 4*atOnce)
	sent, acknowledged := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		if sent++; sent%atOnce != 0 {
			continue
		}
		if sent-acknowledged > underWay {
			_, err := io.ReadFull(conn, acks)
			require.NoError(b, err)
			acknowledged += atOnce
		}
		_, err := conn.Write(batch)
		require.NoError(b, err)
	}
	_ = conn.Close()
}

func dialPublisher(tb testing.TB, broker *Broker, id byte) net.Conn {
	conn, err := net.Dial("tcp", broker.Addr().String())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	connect := connectPacket(version3, 0)
	connect[len(connect)-1] = '0' + id // of the client id
	_, err = conn.Write(connect)
	require.NoError(tb, err)
	_, err = io.ReadFull(conn, make([]byte, 4)) // CONNACK
	require.NoError(tb, err)
	return conn
}

// smallPublish is a PUBLISH of MQTT 3.1.1 with QoS 1.
func smallPublish(id uint16) []byte {
	body := binary.BigEndian.AppendUint16(textOf("t"), id)
	return packetOf(0x32, append(body, make([]byte, 64)...))
}

// TestHeldAcknowledgementTakesNoMoreThanItsRoom holds many.
func TestHeldAcknowledgementTakesNoMoreThanItsRoom(t *testing.T) {
	const clients = 16
	taken := func() int64 {
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return int64(memory.HeapAlloc)
	}
	c := committing{receipts: make(chan func(error), clients*maxUnacknowledged)}
	broker := startBrokerFor(t, config.MQTTBroker{MaxBytes: 1 << 30}, c)
	conns := make([]net.Conn, clients)
	for i := range conns {
		conns[i] = dialPublisher(t, broker, byte(i))
	}
	before := taken()
	var all []byte
	for id := range maxUnacknowledged {
		all = append(all, smallPublish(uint16(id+1))...)
	}
	for _, conn := range conns {
		_, err := conn.Write(all)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(c.receipts) == clients*maxUnacknowledged }, patience, time.Millisecond)
	each := (taken() - before) / (clients * maxUnacknowledged)
	t.Logf("%d bytes each", each)
	require.LessOrEqual(t, each, int64(heldAckBytes))
}
