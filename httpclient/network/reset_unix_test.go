//go:build unix

package network

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// closedByServer is a connection that its server has closed in order.
func closedByServer(t *testing.T) *conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	inner, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	c := newConn(inner, 1)
	t.Cleanup(func() { _ = c.Close() })
	server, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, server.Close())
	return c
}

func TestEndThatFollowsAWriteIsAReset(t *testing.T) {
	c := closedByServer(t)
	_, err := c.Write([]byte("a request that nobody takes"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestEndOfAnIdleConnectionIsThatEnd(t *testing.T) {
	_, err := closedByServer(t).Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}
