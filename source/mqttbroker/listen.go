package mqttbroker

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// How long the other side may take.
const (
	connectTimeout  = 5 * time.Second  // to log in
	writeTimeout    = 10 * time.Second // to take what is sent to it
	receiptGrace    = 2 * time.Second  // for receipts of what was published when the broker closes
	disconnectGrace = 2 * time.Second  // for all clients to take their DISCONNECT when the broker closes
	acceptPause     = time.Second      // after a connection could not be accepted, as without free file descriptors
)

func (b *Broker) listenOn(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	listener = enteringListener{listener, b.bounds.connecting}
	if b.tls != nil {
		listener = tls.NewListener(listener, b.tls)
	}
	return listener, nil
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
func (b *Broker) serve(accepted net.Conn) {
	conn := newClientConn(accepted, b.bounds, b.connections.serving.Go)
	defer func() {
		// mochi panics on some malformed packets: a SUBSCRIBE that ends after a filter, for one.
		if cause := recover(); cause != nil {
			b.log.Error("an MQTT packet made the broker panic; its connection is closed and its session ended",
				"remote", conn.RemoteAddr().String(), "panic", cause, "stack", string(debug.Stack()))
			b.abandon(conn)
		}
		b.sessions.closed(conn) // before the rest is written, for which the client's next login need not wait
		conn.finish()
		b.quotas.disconnected(conn)
	}()
	if err := conn.SetDeadline(loginDeadline(conn.entered)); err != nil {
		return // it is closed
	}
	if !conn.awaitConnect() {
		return
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return
	}
	s.open[conn] = struct{}{}
	s.serving.Go(func() {
		defer s.remove(conn)
		serve(conn)
	})
}

func (s *connectionSet) remove(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

// interrupt reads nothing more from any connection, and closes each that is still to come.
func (s *connectionSet) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.open {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// abort closes all connections.
func (s *connectionSet) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = rawBelow(conn).Close()
	}
}

func (s *connectionSet) wait() { s.serving.Wait() }
