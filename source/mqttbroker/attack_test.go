//go:build !race

package mqttbroker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// forgetful is a Notifier that wants nothing, so that what is measured is the broker's own.
type forgetful struct{ recorder }

func (*forgetful) Wants(messages.Type, string) bool { return false }

// TestNoAttackTakesMoreThanMaxBytes lets strangers take what each of them can, and measures the highest that heap and
// stacks come to meanwhile, with what the collector has not collected yet and with the attackers, who live in the same process.
func TestNoAttackTakesMoreThanMaxBytes(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			broker := startForgetful(t)
			taken := watchMemory(t)
			attack(t, broker)
			most := taken()
			t.Logf("%d MiB", most>>20)
			require.Less(t, most, uint64(config.DefaultMQTTMaxBytes))
			requireAlive(t, broker)
		})
	}
}

func TestAllAttacksOneAfterTheOtherTakeNoMoreThanMaxBytes(t *testing.T) {
	broker := startForgetful(t)
	taken := watchMemory(t)
	for _, attack := range attacks {
		attack(t, broker)
	}
	most := taken()
	t.Logf("%d MiB", most>>20)
	require.Less(t, most, uint64(config.DefaultMQTTMaxBytes))
	requireAlive(t, broker)
}

var attacks = map[string]func(t *testing.T, broker *Broker){
	"announced CONNECTs": func(t *testing.T, broker *Broker) {
		for range 600 {
			dialRaw(t, broker.Addr(), 0x10, 0x80, 0x80, 0x3F, 0, 4)
		}
		time.Sleep(100 * time.Millisecond)
	},
	"CONNECTs that are nearly there": func(t *testing.T, broker *Broker) {
		connect := packetOf(0x10, bytes.Repeat([]byte{0}, 300<<10))
		for range 600 {
			dialRaw(t, broker.Addr(), connect[:len(connect)-1]...)
		}
	},
	"retained messages": func(t *testing.T, broker *Broker) {
		attacker := newAttacker(t, broker, "retainer", 5, false)
		for i := range 400 {
			attacker.publish(0x31, fmt.Sprint("kept/", i))
		}
		attacker.awaitAnswer()
	},
	"offline sessions": func(t *testing.T, broker *Broker) {
		for i := range 3 {
			sleeper := newAttacker(t, broker, fmt.Sprint("sleeper-", i), 4, true)
			sleeper.send(subscribePacket("queued/#", 1))
			sleeper.awaitAnswer()
			sleeper.close()
		}
		attacker := newAttacker(t, broker, "publisher", 4, false)
		for i := range 150 {
			attacker.publish(0x32, fmt.Sprint("queued/", i))
		}
		attacker.awaitAnswer()
	},
	"abandoned sessions": func(t *testing.T, broker *Broker) {
		var attackers sync.WaitGroup
		for i := range 8 {
			attackers.Go(func() {
				for j := range 2_500 {
					abandonSession(broker, fmt.Sprintf("abandoned-%d-%d", i, j))
				}
			})
		}
		attackers.Wait()
	},
	"subscriptions without end": func(t *testing.T, broker *Broker) {
		for i := range 20 {
			attacker := newAttacker(t, broker, fmt.Sprint("subscriber-", i), 4, true)
			for j := range 250 {
				attacker.send(subscribePacket(fmt.Sprintf("%d/%d%s", i, j, strings.Repeat("/x", 100)), 0))
			}
			attacker.awaitAnswer()
		}
	},
	"a tree of topics": func(t *testing.T, broker *Broker) {
		attacker := newAttacker(t, broker, "gardener", 5, false)
		for i := range 100 {
			attacker.send(publishPacket(0x31, fmt.Sprint(i, strings.Repeat("/", 5_000)), 1))
		}
		attacker.awaitAnswer()
	},
	"packets half sent": func(t *testing.T, broker *Broker) {
		half := publishPacket(0x30, "half", megabyte)[:megabyte/2]
		for i := range 300 {
			newAttacker(t, broker, fmt.Sprint("half-", i), 4, false).send(half)
		}
		time.Sleep(100 * time.Millisecond)
	},
	"many subscriptions in one packet": func(t *testing.T, broker *Broker) {
		filters := bytes.Repeat([]byte{0, 1, 'a', 0}, 250_000)
		var attackers sync.WaitGroup
		for i := range 8 {
			attacker := newAttacker(t, broker, fmt.Sprint("packer-", i), 4, false)
			attackers.Go(func() { attacker.send(packetOf(0x82, append([]byte{0, 1}, filters...))) })
		}
		attackers.Wait()
		time.Sleep(100 * time.Millisecond)
	},
	"properties without end": func(t *testing.T, broker *Broker) {
		properties := bytes.Repeat([]byte{38, 0, 0, 0, 0}, 200_000)
		body := append([]byte{0, 1, 't'}, remainingLength(len(properties))...)
		body = append(body, properties...)
		var attackers sync.WaitGroup
		for i := range 16 {
			attacker := newAttacker(t, broker, fmt.Sprint("describer-", i), 5, false)
			attackers.Go(func() { attacker.send(packetOf(0x31, body)) })
		}
		attackers.Wait()
		time.Sleep(100 * time.Millisecond)
	},
	"slow readers": func(t *testing.T, broker *Broker) {
		for i := range 3 {
			slow := newSlowReader(t, broker, fmt.Sprint("slow-", i))
			slow.send(subscribePacket("fast/#", 0))
		}
		attacker := newAttacker(t, broker, "fast", 4, false)
		for i := range 150 {
			attacker.publish(0x30, fmt.Sprint("fast/", i))
		}
		attacker.awaitAnswer()
	},
	"one message to many": func(t *testing.T, broker *Broker) {
		for i := range 400 {
			newSlowReader(t, broker, fmt.Sprint("one-of-many-", i)).send(subscribePacket("all", 0))
		}
		attacker := newAttacker(t, broker, "one", 4, false)
		for range 3 {
			attacker.publish(0x30, "all")
		}
		attacker.awaitAnswer()
	},
}

func startForgetful(t *testing.T) *Broker {
	broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", &forgetful{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, broker.Start())
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	return broker
}

// watchMemory returns a function that ends the watch and tells the most that was added meanwhile.
func watchMemory(t *testing.T) func() uint64 {
	debug.FreeOSMemory()
	before, most := memoryInUse(), uint64(0)
	ended, done := make(chan struct{}), make(chan struct{})
	stop := sync.OnceFunc(func() { close(ended); <-done })
	go func() {
		defer close(done)
		for {
			most = max(most, memoryInUse())
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(stop)
	return func() uint64 {
		stop()
		return most - min(most, before)
	}
}

func memoryInUse() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse + stats.StackInuse
}

// requireAlive checks that a new client is served.
func requireAlive(t *testing.T, broker *Broker) {
	t.Helper()
	c := dialMQTT3(t, broker.Addr(), login{id: "alive"})
	c.publish("alive", 1, false, "yes")
	c.disconnect()
}

// attacker is a client without manners.
type attacker struct {
	t       *testing.T
	conn    net.Conn
	answers sync.WaitGroup // reads what comes
	pongs   chan struct{}
}

func newAttacker(t *testing.T, broker *Broker, id string, version byte, resume bool) *attacker {
	a := newSlowReaderOf(t, broker, id, version, resume)
	a.answers.Go(a.read)
	t.Cleanup(a.close)
	return a
}

// newSlowReader reads its CONNACK and no more.
func newSlowReader(t *testing.T, broker *Broker, id string) *attacker {
	a := newSlowReaderOf(t, broker, id, 4, false)
	_, err := io.ReadFull(a.conn, make([]byte, 4))
	require.NoError(t, err)
	return a
}

func newSlowReaderOf(t *testing.T, broker *Broker, id string, version byte, resume bool) *attacker {
	conn := dialTCP(t, broker.Addr())
	a := &attacker{t: t, conn: conn, pongs: make(chan struct{}, 1)}
	a.send(connectPacketOf(version, id, resume))
	return a
}

// send ignores errors: the broker may well hang up.
func (a *attacker) send(packet []byte) { _, _ = a.conn.Write(packet) }

// publish sends a message of a megabyte, without one in memory for each.
func (a *attacker) publish(header byte, topic string) {
	whole := publishPacket(header, topic, 0)
	_, n := binary.Uvarint(whole[1:])
	begin := whole[1+n:]
	a.send(append(append([]byte{header}, remainingLength(len(begin)+megabyte)...), begin...))
	a.send(zeros)
}

var zeros = make([]byte, megabyte)

func (a *attacker) read() {
	for {
		var header [1]byte
		if _, err := io.ReadFull(a.conn, header[:]); err != nil {
			close(a.pongs)
			return
		}
		length, err := binary.ReadUvarint(oneByteReader{a.conn})
		if err != nil {
			continue
		}
		_, _ = io.CopyN(io.Discard, a.conn, int64(length))
		if header[0] == 0xD0 {
			a.pongs <- struct{}{}
		}
	}
}

// awaitAnswer waits until the broker has taken all that was sent, or hung up.
func (a *attacker) awaitAnswer() {
	a.send([]byte{0xC0, 0})
	select {
	case <-a.pongs:
	case <-time.After(60 * time.Second):
		require.FailNow(a.t, "the broker does not answer")
	}
}

func (a *attacker) close() {
	_ = a.conn.Close()
	a.answers.Wait()
}

type oneByteReader struct{ io.Reader }

func (r oneByteReader) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(r, one[:])
	return one[0], err
}

func abandonSession(broker *Broker, id string) {
	conn, err := net.Dial("tcp", broker.Addr().String())
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write(connectPacketOf(4, id, true))
	_, _ = io.ReadFull(conn, make([]byte, 4))
}
