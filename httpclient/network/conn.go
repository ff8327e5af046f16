package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// lastWordsWait bounds the wait for what the other side said before it closed the connection.
	lastWordsWait = 100 * time.Millisecond
	// lastWordsCheck is the time between two looks at a connection that is waited for.
	lastWordsCheck = 5 * time.Millisecond

	// maxReadBytes bounds what a connection may read for one request, with all that TLS and HTTP/2 add to an answer. An
	// HTTP/2 server may go on with an answer that nobody wants any more, which net/http reads without end.
	maxReadBytes = 256 << 10
)

var errTalkative = fmt.Errorf("the endpoint sent over %d bytes that belong to no answer", maxReadBytes)

// conn is a connection below TLS. It knows how far a request came when the other side breaks off:
//
//   - A server may answer, or send a TLS alert, and close before it has read all. A write that failed therefore waits for
//     whoever reads, so that the answer, or the reason, is read before the connection is given up.
//   - One that closes takes nothing that is written afterwards, and says so by a reset (RFC 9293 §3.10.7.1). The end of
//     reading waits for it where something was written and not answered.
//   - One that goes on sending what was not asked for costs its connection.
type conn struct {
	net.Conn
	most int64 // that it may read at once, without regard to the number of requests

	mutex      sync.Mutex
	over       chan struct{} // closed when nothing more will be read
	unanswered bool          // something was written since something was read
	writes     int
	lost       int   // the first write of which the other side has not taken all, counted from 1; 0: none
	allowance  int64 // bytes that may be read
}

// newConn is for as many requests at once.
func newConn(inner net.Conn, requests int) *conn {
	return &conn{Conn: inner, most: maxReadBytes * int64(requests+1), over: make(chan struct{}), allowance: maxReadBytes}
}

func (c *conn) Read(bytes []byte) (int, error) {
	read, err := c.Conn.Read(bytes)
	written, unanswered := c.sent()
	end := errors.Is(err, io.EOF)
	if end && unanswered {
		err = c.awaitReset(err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if end && c.writes > written { // after the other side had closed
		c.lost = firstLost(c.lost, written+1)
	}
	if read > 0 {
		c.unanswered = false
	}
	if c.allowance -= int64(read); c.allowance < 0 {
		read, err = 0, errTalkative
	}
	if err != nil {
		c.endReading()
	}
	return read, err
}

func (c *conn) Write(bytes []byte) (int, error) {
	c.mutex.Lock()
	c.writes++
	c.unanswered = true
	number, late := c.writes, c.isOver()
	c.mutex.Unlock()
	written, err := c.Conn.Write(bytes)
	if err != nil || late {
		c.mutex.Lock()
		c.lost = firstLost(c.lost, number)
		c.mutex.Unlock()
	}
	if err != nil {
		timer := time.NewTimer(lastWordsWait)
		defer timer.Stop()
		select {
		case <-c.over:
		case <-timer.C:
		}
	}
	return written, err
}

func (c *conn) Close() error {
	c.mutex.Lock()
	c.endReading()
	c.mutex.Unlock()
	return c.Conn.Close()
}

// expectAnswer lets the connection read an answer more.
func (c *conn) expectAnswer() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.allowance = min(c.allowance+maxReadBytes, c.most)
}

// written is the number of writes that have begun.
func (c *conn) written() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.writes
}

// mayHaveTaken tells whether the other side may have taken all of the writes up to this number.
func (c *conn) mayHaveTaken(number int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.lost == 0 || c.lost > number
}

// sent is the number of writes that have begun, and whether one has since something was read.
func (c *conn) sent() (writes int, unanswered bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.writes, c.unanswered
}

// awaitReset is the reset that follows the end of what can be read, or else that end.
func (c *conn) awaitReset(end error) error {
	ticker := time.NewTicker(lastWordsCheck)
	defer ticker.Stop()
	for range lastWordsWait / lastWordsCheck {
		reset, err := isReset(c.Conn)
		switch {
		case err != nil:
			return end
		case reset:
			return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: syscall.ECONNRESET}
		}
		<-ticker.C
	}
	return end
}

func (c *conn) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// endReading is called with the mutex locked.
func (c *conn) endReading() {
	if !c.isOver() {
		close(c.over)
	}
}

func firstLost(known, number int) int {
	if known == 0 {
		return number
	}
	return min(known, number)
}

// watching makes of dial's connections conns, each for as many requests at once.
func watching(dial DialFunc, requests int) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newConn(inner, requests), nil
	}
}

// connBelow is the conn below what net/http takes for a connection: TLS with the endpoint, with a proxy, both or neither.
func connBelow(outer net.Conn) *conn {
	for {
		if secured, ok := outer.(*tls.Conn); ok {
			outer = secured.NetConn()
			continue
		}
		return outer.(*conn)
	}
}
