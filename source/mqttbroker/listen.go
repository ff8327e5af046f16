package mqttbroker

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// How long the other side may take.
const (
	connectTimeout  = 10 * time.Second // for its CONNECT to come
	writeTimeout    = 10 * time.Second // to take what is sent to it
	disconnectGrace = 2 * time.Second  // for all clients to take their DISCONNECT when the broker closes
	acceptPause     = time.Second      // after a connection could not be accepted, as without free file descriptors
)

func listenLimited(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(listener, maxConnections), nil
}

func (b *Broker) acceptTCP() {
	for {
		conn, err := b.tcp.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			b.log.Error("an MQTT connection was not accepted", "error", err)
			time.Sleep(acceptPause)
		default:
			b.connections.serve(conn, b.serve)
		}
	}
}

func (b *Broker) stopAccepting() {
	if b.http != nil {
		_ = b.http.Close()
	}
	if b.tcp != nil {
		_ = b.tcp.Close()
	}
	b.accepting.Wait()
}

// serve speaks MQTT with a client until one of the two ends it.
func (b *Broker) serve(conn net.Conn) {
	defer b.sessions.closed(conn)
	defer func() {
		// mochi panics on some malformed packets: a SUBSCRIBE that ends after a filter, for one.
		if cause := recover(); cause != nil {
			b.log.Error("an MQTT packet made the broker panic; its connection is closed and its session ended",
				"remote", conn.RemoteAddr().String(), "panic", cause, "stack", string(debug.Stack()))
			b.abandon(conn)
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return // it is closed
	}
	if err := b.server.EstablishConnection("", conn); err != nil {
		b.log.Debug("an MQTT connection ended", "remote", conn.RemoteAddr().String(), "error", err)
	}
}

// abandon does what mochi does when a connection ends, for one that mochi could not end itself; only a will is not sent,
// and the session ends in any case, because nobody knows what state it is in.
func (b *Broker) abandon(conn net.Conn) {
	for _, client := range b.server.Clients.GetAll() {
		if client.Net.Conn == conn {
			b.sessions.OnDisconnect(client, nil, true)
			b.hook.OnDisconnect(client, nil, true)
			client.ClearInflights()
			b.server.UnsubscribeClient(client)
			b.server.Clients.Delete(client.ID)
		}
	}
}

// connectionSet holds the open connections, so that Close can end and await every one.
type connectionSet struct {
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	closed  bool
	serving sync.WaitGroup
}

// serve runs serve with the connection in a goroutine and closes it then; at once, if the set is closed.
func (s *connectionSet) serve(conn net.Conn, serve func(net.Conn)) {
	bounded := &boundedConn{conn}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return
	}
	s.open[bounded] = struct{}{}
	s.serving.Go(func() {
		defer s.remove(bounded)
		serve(bounded)
	})
}

func (s *connectionSet) remove(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

func (s *connectionSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close()
	}
}

func (s *connectionSet) wait() { s.serving.Wait() }

// boundedConn gives up on a client that does not take what is sent to it. mochi alone would wait for ever where there is
// no keep alive, and go on after half a packet where there is one.
type boundedConn struct {
	net.Conn
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if isNothing(p) {
		return len(p), nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close()
		// Not %w: a time-out here is not the client's keep alive, for which mochi would take it.
		return n, fmt.Errorf("write to the client: %v", err)
	}
	return n, nil
}
