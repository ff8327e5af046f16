package mqttbroker

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestConnectThatNeverEndsIsClosedAtTheLoginDeadline(t *testing.T) {
	key := newCertificate(t, "broker")
	open, _ := startBroker(t, config.MQTTBroker{WebSocketListen: "127.0.0.1:0"})
	secured, _ := startBroker(t, config.MQTTBroker{TLS: key.files})
	dial := map[string]func(t *testing.T) net.Conn{
		"TCP": func(t *testing.T) net.Conn { return dialTCP(t, open.Addr()) },
		"TLS": func(t *testing.T) net.Conn {
			trusting := key.trusting()
			trusting.ServerName = "127.0.0.1"
			return tls.Client(dialTCP(t, secured.Addr()), trusting)
		},
		"a TLS handshake": func(t *testing.T) net.Conn { return dialTCP(t, secured.Addr()) },
		"WebSocket": func(t *testing.T) net.Conn {
			ws, _, err := websocket.DefaultDialer.Dial("ws://"+open.WebSocketAddr().String(), nil)
			require.NoError(t, err)
			return &webSocketConn{Conn: ws.NetConn(), ws: ws}
		},
	}
	for name, dial := range dial {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			conn := dial(t)
			t.Cleanup(func() { _ = conn.Close() })
			dripping := time.NewTicker(200 * time.Millisecond)
			defer dripping.Stop()
			closed := make(chan struct{})
			go func() { _, _ = io.ReadAll(conn); close(closed) }()
			for _, one := range drips(name) {
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = conn.Write([]byte{one})
				select {
				case <-closed:
					require.InDelta(t, connectTimeout.Seconds(), time.Since(begun).Seconds(), 2)
					return
				case <-dripping.C:
				}
			}
			require.Fail(t, "it is still open")
		})
	}
}

// drips are bytes that begin a packet, or a handshake, and never end it.
func drips(layer string) []byte {
	begin := packetOf(0x10, make([]byte, 1_000))
	if layer == "a TLS handshake" {
		begin = append([]byte{22, 3, 1, 0x3F, 0xFF, 1, 0, 0x3F, 0xFB}, make([]byte, 1_000)...)
	}
	return begin[:60]
}
