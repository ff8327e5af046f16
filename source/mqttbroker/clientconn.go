package mqttbroker

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// clientConn is what mochi reads from and writes to: packets come whole, and what is sent waits here for a client that
// reads slowly, so that neither takes more memory than it may and neither keeps mochi, and so other clients, waiting.
type clientConn struct {
	net.Conn
	incoming incoming
	outgoing outgoing
	acks     *acknowledgements
	entered  *enteredConn // nil where it did not come through a listener

	subscribing atomic.Pointer[subscribing] // nil while it does not

	// What follows belongs to the goroutine that reads from the client.
	clientID  string        // of the session that it has begun; "" before
	publishes string        // the topic that it publishes on; "" while it does not
	receipt   *receipt      // that nobody has asked for yet; nil where what it publishes needs none
	silence   time.Duration // of the client that ends the connection; 0 for any
}

// newClientConn takes over a connection. spawn runs what flushes it.
func newClientConn(conn net.Conn, b *bounds, spawn func(func())) *clientConn {
	c := &clientConn{Conn: conn, entered: enteredBelow(conn)}
	raw := rawBelow(conn)
	c.incoming = incoming{conn: conn, raw: raw, bounds: b}
	c.incoming.admit = c.admit
	c.outgoing = newOutgoing(conn, raw, b, spawn)
	c.acks = newAcknowledgements(c.outgoing.write, spawn, b)
	return c
}

// awaitConnect tells whether the first packet came. mochi takes much more for a client than the wait for that may cost.
func (c *clientConn) awaitConnect() bool { return c.incoming.next() == nil }

// Read gives what is left of a packet, or the beginning of the next one. A client that does not take its answers is not
// asked for more.
func (c *clientConn) Read(p []byte) (int, error) {
	if c.incoming.isConsumed() {
		c.incoming.settle()
		if err := c.outgoing.awaitRoom(); err != nil {
			return 0, err
		}
	}
	n, err := c.incoming.read(p)
	var code packets.Code
	if errors.As(err, &code) && c.incoming.loggedIn && c.incoming.version == 5 {
		// mochi says nothing of what it could not read (MQTT 5.0 §4.13.1).
		_, _ = c.outgoing.write([]byte{packets.Disconnect << 4, 2, code.Code, 0})
	}
	return n, err
}

// admit has a publish wait, before the rest of it is read, while too many before it are not acknowledged. Packets of
// other kinds pass.
func (c *clientConn) admit(header byte, size int) error {
	if header>>4 != packets.Publish || header>>1&3 == 0 {
		return nil
	}
	waited, err := c.acks.awaitRoom(int64(size))
	if err != nil {
		return err
	}
	if waited && c.silence > 0 {
		return c.SetReadDeadline(time.Now().Add(c.silence)) // it was not the client that was silent
	}
	return nil
}

// Write never waits for the client.
func (c *clientConn) Write(p []byte) (int, error) {
	switch {
	case isNothing(p):
		return len(p), nil
	case isAcknowledgement(p):
		c.acks.hold(p, int64(c.incoming.size))
		return len(p), nil
	}
	return c.outgoing.write(p)
}

// SetDeadline bounds reading alone: mochi means a client's silence by it.
func (c *clientConn) SetDeadline(deadline time.Time) error {
	c.silence = 0
	if !deadline.IsZero() {
		c.silence = time.Until(deadline)
	}
	return c.SetReadDeadline(deadline)
}

// Close lets the client have what waits for it, for a short time, and reads no more. What is not safe yet is not
// acknowledged any more.
func (c *clientConn) Close() error {
	_ = c.SetReadDeadline(time.Unix(1, 0))
	c.acks.close()
	return c.outgoing.close()
}

// finish closes the connection, returns when nothing is sent on it any more, and gives back all that it took.
func (c *clientConn) finish() {
	_ = c.Close()
	c.outgoing.await()
	c.incoming.release()
}

// loggedIn ends what holds for those that have not logged in.
func (c *clientConn) loggedIn() {
	if c.entered != nil {
		c.entered.loggedIn()
	}
	c.incoming.loggedIn = true
}
