package mqttbroker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func (b *Broker) newHTTPServer() *http.Server {
	upgrader := &websocket.Upgrader{
		Subprotocols:     []string{"mqtt"}, // MQTT 5.0 §6
		HandshakeTimeout: connectTimeout,
	}
	if len(b.config.Users) > 0 {
		// Without users only pages of the broker's own origin may connect, or any web page that somebody on this machine
		// opens could publish.
		upgrader.CheckOrigin = func(*http.Request) bool { return true }
	}
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return // the upgrader has answered
			}
			b.connections.serve(&webSocketConn{Conn: ws.NetConn(), ws: ws}, b.serve)
		}),
		ReadHeaderTimeout: connectTimeout,
		IdleTimeout:       connectTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
}

func (b *Broker) acceptWebSocket() {
	if err := b.http.Serve(b.webSocket); !errors.Is(err, http.ErrServerClosed) {
		b.log.Error("MQTT over WebSocket stopped", "error", err)
	}
}

// webSocketConn makes one stream of the binary messages of a WebSocket, in which packets begin and end anywhere
// (MQTT 5.0 §6).
type webSocketConn struct {
	net.Conn
	ws      *websocket.Conn
	message io.Reader // nil: the next one is to be awaited
}

func (c *webSocketConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("a WebSocket message that is not binary")
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *webSocketConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline is called by boundedConn before each Write, which is the only one who writes messages.
func (c *webSocketConn) SetWriteDeadline(deadline time.Time) error {
	return c.ws.SetWriteDeadline(deadline)
}
