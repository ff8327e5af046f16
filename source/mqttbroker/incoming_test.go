package mqttbroker

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestSizeOfAPacketIsReadFromItsHeader(t *testing.T) {
	for name, test := range map[string]struct {
		begun    []byte
		size     int
		complete bool
		err      bool
	}{
		"nothing":          {nil, 0, false, false},
		"the type":         {[]byte{0x10}, 0, false, false},
		"empty":            {[]byte{0xC0, 0}, 2, true, false},
		"one byte":         {[]byte{0x10, 127}, 129, true, false},
		"half a length":    {[]byte{0x10, 0x80}, 0, false, false},
		"two bytes":        {[]byte{0x10, 0x80, 1, 9}, 131, true, false},
		"four bytes":       {[]byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F}, 268_435_460, true, false},
		"a length of five": {[]byte{0x10, 0x80, 0x80, 0x80, 0x80}, 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			size, complete, err := packetSize(test.begun)
			require.Equal(t, test.size, size)
			require.Equal(t, test.complete, complete)
			require.Equal(t, test.err, err != nil)
		})
	}
}

func TestPropertiesOfAPublishAreMeasured(t *testing.T) {
	properties := func(header byte, middle ...byte) []byte {
		return packetOf(header, append(append([]byte{0, 1, 't'}, middle...), 0xF0, 0xA2, 4))
	}
	require.Equal(t, 70_000, publishPropertiesBytes(properties(0x30)))
	require.Equal(t, 70_000, publishPropertiesBytes(properties(0x32, 0, 7)))
	require.Zero(t, publishPropertiesBytes(properties(0x82)))
	for end := 1; end < 6; end++ {
		require.Zero(t, publishPropertiesBytes(properties(0x32, 0, 7)[:end]))
	}
	require.Equal(t, byte(5), protocolLevel(connectPacket(5, 30)))
	require.Zero(t, protocolLevel(connectPacket(5, 30)[:8]))
}

// FuzzIncoming sends a stream in pieces: whole packets come out as they went in, and all room is given back.
func FuzzIncoming(f *testing.F) {
	f.Add(append(connectPacket(5, 30), publishPacket(0x30, "t", 5_000)...), 700)
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 1}, 1)
	f.Add(packetOf(0x82, bytes.Repeat([]byte{0, 1, 'a', 0}, 10_000)), 3)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		b := newBounds(config.MQTTBroker{}.Complete())
		client, server := net.Pipe()
		go func() {
			for rest := stream; len(rest) > 0; {
				n := min(max(piece, 1), len(rest))
				if _, err := client.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
			_ = client.Close()
		}()
		in := incoming{conn: server, raw: server, bounds: b, loggedIn: true, version: 5}
		var got []byte
		var err error
		for buffer := make([]byte, 100); err == nil; {
			var n int
			if in.isConsumed() {
				in.settle()
			}
			n, err = in.read(buffer)
			got = append(got, buffer[:n]...)
		}
		in.release()
		_ = server.Close()
		require.True(t, bytes.HasPrefix(stream, got))
		require.Zero(t, b.arriving.used())
		require.True(t, b.processing.TryAcquire(b.processingBytes))
	})
}

func TestHalfPacketGivesWayAfterItsTimeAlone(t *testing.T) {
	evicted := 0
	c := newCrowd(10, 50*time.Millisecond, func() { evicted++ })
	first, second, third := pipeEnd(t), pipeEnd(t), pipeEnd(t)
	a, b := c.enter(first), c.enter(second)
	require.True(t, c.growTo(a, 6))
	require.True(t, c.growTo(b, 4))
	begun := time.Now()
	require.True(t, c.growTo(b, 10), "the older one gave way")
	require.GreaterOrEqual(t, time.Since(begun), 30*time.Millisecond)
	require.Equal(t, 1, evicted)
	require.False(t, c.growTo(a, 1))
	_, err := first.Write([]byte{0})
	require.ErrorIs(t, err, io.ErrClosedPipe)

	c.stay(b)
	time.AfterFunc(80*time.Millisecond, func() { c.leave(b) })
	require.True(t, c.growTo(c.enter(third), 1), "which waited for the one that stays")
	require.Equal(t, 1, evicted)
	require.EqualValues(t, 1, c.used())
	require.False(t, c.growTo(c.enter(pipeEnd(t)), 11))
}

func pipeEnd(t *testing.T) net.Conn {
	end, other := net.Pipe()
	t.Cleanup(func() { _ = end.Close(); _ = other.Close() })
	return end
}
