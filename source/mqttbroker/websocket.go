package mqttbroker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fluxmq/webhookd/internal/hosts"
)

const webSocketReadBytes = 1 << 10

func (b *Broker) newHTTPServer() *http.Server {
	upgrader := &websocket.Upgrader{
		Subprotocols:     []string{"mqtt"}, // MQTT 5.0 §6
		HandshakeTimeout: connectTimeout,
		ReadBufferSize:   webSocketReadBytes,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(*http.Request) bool { return true }, // checkSite has
	}
	allowed := hosts.NewAllowed(b.config.WebSocketListen, b.config.AllowedHosts)
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := b.checkSite(allowed, r); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
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

// checkSite refuses what a browser sends for a page that it believes to be the broker's own (DNS rebinding). A page of
// another site may connect where there are users: it has to know a password.
func (b *Broker) checkSite(allowed hosts.Allowed, r *http.Request) error {
	if len(b.config.Users) > 0 {
		return allowed.CheckHost(r)
	}
	return allowed.Check(r)
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

	writeDeadline atomic.Int64 // in Unix nanoseconds
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
	if err := c.ws.SetWriteDeadline(time.Unix(0, c.writeDeadline.Load())); err != nil {
		return 0, err
	}
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline holds for the next Write too, which sets the deadline anew.
func (c *webSocketConn) SetWriteDeadline(deadline time.Time) error {
	c.writeDeadline.Store(deadline.UnixNano())
	return c.Conn.SetWriteDeadline(deadline)
}

// NetConn is the connection below.
func (c *webSocketConn) NetConn() net.Conn { return c.Conn }
