package mqttbroker

import (
	"bufio"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

// folderToKillIn names, in the environment of a process of these tests, the folder of the broker that it is to be.
const folderToKillIn = "MQTTBROKER_TEST_FOLDER"

// beKilled is a broker until somebody kills the process.
func beKilled(dir string) {
	broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", &deaf{}, slog.New(slog.DiscardHandler), WithFolder(dir))
	if err == nil {
		err = broker.Start()
	}
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(broker.Addr().String() + "\n")
	select {}
}

// startToKill starts a broker in a process of its own, which kill ends as kill -9 does.
func startToKill(t *testing.T, dir string) (address net.Addr, kill func()) {
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), folderToKillIn+"="+dir)
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	kill = func() {
		_ = process.Process.Kill() // it may be dead already
		_ = process.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address, err = net.ResolveTCPAddr("tcp", strings.TrimSpace(line))
	require.NoError(t, err, line)
	return address, kill
}

// consumer is a client that keeps MQTT over any number of brokers' deaths, and checks that they keep it.
type consumer struct {
	t         *testing.T
	seen      map[int]bool
	latest    int               // of those that were seen for the first time
	under     map[uint16]string // packet ids of QoS 2 that were not released yet
	completed map[string]bool   // payloads of QoS 2 that were
}

// take takes so many packets, or what there is.
func (c *consumer) take(s *script, most int) {
	for range most {
		pk, err := s.next(300 * time.Millisecond)
		if err != nil {
			return
		}
		switch pk.FixedHeader.Type {
		case packets.Publish:
			c.message(s, pk)
		case packets.Pubrel:
			if payload, known := c.under[pk.PacketID]; known {
				c.completed[payload] = true
				delete(c.under, pk.PacketID)
			}
			s.acknowledge(packets.Pubcomp, pk.PacketID)
		}
	}
}

func (c *consumer) message(s *script, pk packets.Packet) {
	number, err := strconv.Atoi(string(pk.Payload))
	require.NoError(c.t, err)
	if c.seen[number] {
		require.True(c.t, pk.FixedHeader.Dup, "%d came again as though for the first time", number)
	} else {
		require.Greater(c.t, number, c.latest, "out of order")
		c.latest = number
	}
	c.seen[number] = true
	if pk.FixedHeader.Qos == 1 {
		s.acknowledge(packets.Puback, pk.PacketID)
		return
	}
	require.False(c.t, c.completed[string(pk.Payload)], "%d came twice with QoS 2", number)
	if payload, known := c.under[pk.PacketID]; known {
		require.Equal(c.t, payload, string(pk.Payload))
	}
	c.under[pk.PacketID] = string(pk.Payload)
	s.acknowledge(packets.Pubrec, pk.PacketID)
}

// acknowledged completes so many messages that the client has published.
func acknowledged(t *testing.T, s *script, messages int) {
	for completed := 0; completed < messages; {
		pk, err := s.next(patience)
		require.NoError(t, err)
		switch pk.FixedHeader.Type {
		case packets.Pubrec:
			s.acknowledge(packets.Pubrel, pk.PacketID)
		default:
			completed++
		}
	}
}

// TestNoKillLosesOrDoublesWhatWasPromised kills a broker with kill -9, over and over, while a client publishes to another one
// that comes and goes. What was published before a SUBACK is promised: it waits until all of that is on disk.
func TestNoKillLosesOrDoublesWhatWasPromised(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		const rounds, promisedInRound, hastily = 6, 30, 10
		dir := t.TempDir()
		random := rand.New(rand.NewPCG(5, uint64(version)))
		c := &consumer{t: t, seen: map[int]bool{}, under: map[uint16]string{}, completed: map[string]bool{}}
		number, promised := 0, []int{}
		publish := func(s *script) {
			number++
			s.publish("t", strconv.Itoa(number), 1+byte(number%2), uint16(number))
		}
		address, kill := startToKill(t, dir)
		dialScript(t, address, version, "sub").subscribe(1, "t", 2)
		for round := range rounds {
			publisher := dialScript(t, address, version, "pub")
			require.Equal(t, round > 0, publisher.connack.SessionPresent)
			for range promisedInRound {
				publish(publisher)
				promised = append(promised, number)
			}
			acknowledged(t, publisher, promisedInRound)
			publisher.subscribe(60_000, "barrier", 0)
			sub := dialScript(t, address, version, "sub", receiveMaximum(20))
			require.True(t, sub.connack.SessionPresent)
			c.take(sub, random.IntN(2*promisedInRound))
			for range hastily {
				publish(publisher)
			}
			time.Sleep(time.Duration(random.IntN(15)) * time.Millisecond)
			kill()
			address, kill = startToKill(t, dir)
		}
		sub := dialScript(t, address, version, "sub")
		c.take(sub, 1<<20)
		for _, n := range promised {
			require.True(t, c.seen[n], "%d was lost", n)
		}
		require.Empty(t, c.under)
	})
}
