package network

import (
	"context"
	"net"
	"sync"
	"time"
)

// alertWait bounds the wait for what the server said before it closed the connection.
const alertWait = 100 * time.Millisecond

// alertedConn is a connection below TLS. In TLS 1.3 a server refuses our certificate after our side of the handshake is
// done, and its alert may be there to be read when writing the request already fails. A write that failed therefore waits
// for whoever reads, and closes the connection with the reason for it.
type alertedConn struct {
	net.Conn
	over chan struct{} // closed when nothing more will be read
	once sync.Once
}

func (c *alertedConn) Read(bytes []byte) (int, error) {
	read, err := c.Conn.Read(bytes)
	if err != nil {
		c.endReading()
	}
	return read, err
}

func (c *alertedConn) Write(bytes []byte) (int, error) {
	written, err := c.Conn.Write(bytes)
	if err != nil {
		timer := time.NewTimer(alertWait)
		defer timer.Stop()
		select {
		case <-c.over:
		case <-timer.C:
		}
	}
	return written, err
}

func (c *alertedConn) Close() error {
	c.endReading()
	return c.Conn.Close()
}

func (c *alertedConn) endReading() {
	c.once.Do(func() { close(c.over) })
}

// hearingAlerts makes dial's connections alertedConns.
func hearingAlerts(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &alertedConn{Conn: conn, over: make(chan struct{})}, nil
	}
}
