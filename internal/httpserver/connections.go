package httpserver

import (
	"context"
	"net"
	"sync"
	"time"
)

// clientPatience is how long a client may take to send the rest of a request, or to read an answer, before it gives way.
const clientPatience = time.Second

// connections are a listener's, up to a number of them. A new one that is one too many takes the place of the one that
// waits longest for a request. Where none does, it waits for one that does, or is kept waiting by its client beyond
// clientPatience, or closes.
type connections struct {
	*net.TCPListener
	limit int

	mu      sync.Mutex
	changed sync.Cond // one may give way now, or closed
	open    map[*connection]struct{}
	closing bool
}

func newConnections(listener *net.TCPListener, limit int) *connections {
	c := &connections{TCPListener: listener, limit: limit, open: map[*connection]struct{}{}}
	c.changed.L = &c.mu
	return c
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	for {
		accepted, err := c.AcceptTCP()
		if err != nil {
			return nil, err
		}
		connection := &connection{TCPConn: accepted, among: c, since: time.Now()}
		if c.admit(connection) {
			return connection, nil
		}
		_ = accepted.Close() // nobody is told anything on it
	}
}

// admit is false for a connection that comes while the others are closed.
func (c *connections) admit(connection *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.open) >= c.limit && !c.closing {
		if longest := c.longestWaiting(); longest != nil {
			longest.giveWay()
		} else {
			patience := time.AfterFunc(clientPatience, c.changed.Broadcast)
			c.changed.Wait()
			patience.Stop()
		}
	}
	if !c.closing {
		c.open[connection] = struct{}{}
	}
	return !c.closing
}

// longestWaiting is nil where none has to give way.
func (c *connections) longestWaiting() *connection {
	var longest *connection
	for each := range c.open {
		if each.mayGiveWay() && (longest == nil || each.givesWayBefore(longest)) {
			longest = each
		}
	}
	return longest
}

// closeIdle closes the connections that wait for a request, and takes no more.
func (c *connections) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.changed.Broadcast()
	for each := range c.open {
		if each.waits == forRequest {
			each.giveWay()
		}
	}
}

// connection is one of connections.
type connection struct {
	*net.TCPConn
	among *connections

	waits waiting // this and the rest: among.mu
	since time.Time
	gone  bool
}

// waiting is what a connection waits for. Those that wait for the lesser give way first.
type waiting int

const (
	forRequest waiting = iota // none, or not a whole head
	forClient                 // to send the rest of a request, or to read what was answered
	forHandler                // which has the whole request
)

func (c *connection) mayGiveWay() bool {
	return c.waits == forRequest || c.waits == forClient && time.Since(c.since) >= clientPatience
}

func (c *connection) givesWayBefore(other *connection) bool {
	return c.waits < other.waits || c.waits == other.waits && c.since.Before(other.since)
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.among.mu.Lock()
	defer c.among.mu.Unlock()
	return c.leave()
}

func (c *connection) leave() error {
	c.gone = true
	delete(c.among.open, c)
	c.among.changed.Broadcast()
	return c.TCPConn.Close()
}

func (c *connection) giveWay() {
	_ = c.leave() // nobody is told anything on it
}

// wait is false where the connection gave way: what it brought must not be done, since nobody would learn of it.
func (c *connection) wait(waits waiting) bool {
	c.among.mu.Lock()
	defer c.among.mu.Unlock()
	c.waits, c.since = waits, time.Now()
	c.among.changed.Broadcast()
	return !c.gone
}

type connectionKey struct{}

// withConnection is for http.Server.ConnContext.
func withConnection(ctx context.Context, accepted net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, accepted)
}

func connectionOf(ctx context.Context) *connection {
	return ctx.Value(connectionKey{}).(*connection)
}
