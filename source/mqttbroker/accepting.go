package mqttbroker

import (
	"net"
	"time"
)

// enteringListener gives each connection a place in the crowd of those that have not logged in.
type enteringListener struct {
	net.Listener
	connecting *crowd
}

func (l enteringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	entered := &enteredConn{Conn: conn, crowd: l.connecting, place: l.connecting.enter(conn)}
	l.connecting.growTo(entered.place, 1)
	return entered, nil
}

// enteredConn is a connection with a place in the crowd, until it logs in or closes.
type enteredConn struct {
	net.Conn
	crowd *crowd
	place *place
}

func (c *enteredConn) Close() error {
	c.crowd.leave(c.place)
	return c.Conn.Close()
}

// loggedIn lets the connection count no more among those that have not.
func (c *enteredConn) loggedIn() { c.crowd.leave(c.place) }

// enteredBelow finds the connection as it was accepted below what speaks TLS and WebSocket on it; nil where there is none.
func enteredBelow(conn net.Conn) *enteredConn {
	for {
		switch layer := conn.(type) {
		case *enteredConn:
			return layer
		case interface{ NetConn() net.Conn }:
			conn = layer.NetConn()
		default:
			return nil
		}
	}
}

// rawBelow is the connection itself, which waits for nobody when it closes.
func rawBelow(conn net.Conn) net.Conn {
	if entered := enteredBelow(conn); entered != nil {
		return entered.Conn
	}
	return conn
}

// loginDeadline is when the connection has to have logged in.
func loginDeadline(entered *enteredConn) time.Time {
	if entered == nil {
		return time.Now().Add(connectTimeout)
	}
	return entered.place.since.Add(connectTimeout)
}
