package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestHealthAndReadinessThroughLife(t *testing.T) {
	r := newRig(t)
	requireText := func(path string, status int, text string) {
		t.Helper()
		got := r.ask(t, http.MethodGet, path)
		require.Equal(t, status, got.status)
		require.Equal(t, text, strings.TrimSuffix(got.body, "\n"))
		require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	}
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusServiceUnavailable, "not ready")

	r.SetReady(true)
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusOK, "ready")

	r.SetReady(false)
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusServiceUnavailable, "not ready")

	require.NoError(t, r.Close(t.Context()))
	_, err := net.Dial("tcp", r.Addr().String())
	require.Error(t, err)
}

func TestOnlyThreeDoorsAreOpenAndOnlyToReaders(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodHead, "/healthz", http.StatusOK},
		{http.MethodHead, "/metrics", http.StatusOK},
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/readyz", http.StatusMethodNotAllowed},
		{http.MethodPut, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/metrics/", http.StatusNotFound},
		{http.MethodGet, "/healthz/x", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodPost, "/v1/events", http.StatusNotFound},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			got := r.ask(t, c.method, c.path)
			require.Equal(t, c.status, got.status)
			if c.status == http.StatusMethodNotAllowed {
				require.Equal(t, "GET, HEAD", got.header.Get("Allow"))
			}
		})
	}
}

func TestNewRefusesWhatCanNotServe(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct{ listen, version, problem string }{
		"no address":      {"", version, `listen address "": missing port in address`},
		"no port":         {"127.0.0.1", version, "missing port in address"},
		"impossible port": {"127.0.0.1:70000", version, "invalid port"},
		"garbled version": {"127.0.0.1:9090", "\xff", "register the metrics:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(config.Admin{Listen: c.listen}, r.router, c.version, discardLog)
			require.ErrorContains(t, err, c.problem)
		})
	}
}

func TestStartSaysThatTheAddressIsTaken(t *testing.T) {
	r := newRig(t)
	second, err := New(config.Admin{Listen: r.Addr().String()}, r.router, version, discardLog)
	require.NoError(t, err)
	require.ErrorContains(t, second.Start(), "open the admin side: listen tcp "+r.Addr().String())
}

func TestServerThatWasNeverStartedCloses(t *testing.T) {
	r := newRig(t)
	require.NoError(t, newServer(t, r.router).Close(t.Context()))
}

func TestCloseCutsWhatLastsLongerThanItsContext(t *testing.T) {
	r := newRig(t)
	unfinished := dial(t, r.Server)
	_, err := io.WriteString(unfinished, "GET /healthz HTTP/1.1\r\n")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, askHealth(t, dial(t, r.Server)), "connections are accepted in their order")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.Close(ctx), context.DeadlineExceeded)
	requireClosed(t, unfinished)
}

func TestRequestWithEndlessHeadersIsRefused(t *testing.T) {
	r := newRig(t)
	connection := dial(t, r.Server)
	// net/http reads 4 KiB more than it is told.
	_, _ = fmt.Fprintf(connection, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeaderBytes+4096))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

func TestSilentConnectionIsClosed(t *testing.T) {
	r := newRig(t)
	server := newServer(t, r.router)
	server.http.ReadHeaderTimeout = 10 * time.Millisecond
	require.NoError(t, server.Start())
	defer func() { require.NoError(t, server.Close(t.Context())) }()
	connection := dial(t, server)
	_, err := io.WriteString(connection, "GET /healthz HTTP/1.1\r\nHost: x\r\n")
	require.NoError(t, err)
	requireClosed(t, connection)
}

func TestConnectionsAtOneTimeAreBounded(t *testing.T) {
	r := newRig(t)
	var connections []net.Conn
	for range maxConnections {
		connection := dial(t, r.Server)
		connections = append(connections, connection)
		require.Equal(t, http.StatusOK, askHealth(t, connection))
	}
	waiting := dial(t, r.Server)
	answered := make(chan int, 1)
	go func() { answered <- askHealth(t, waiting) }()
	select {
	case <-answered:
		t.Fatal("there is one connection too many")
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, connections[0].Close())
	require.Equal(t, http.StatusOK, <-answered)
}

// dial opens a connection that ends with the test.
func dial(t *testing.T, server *Server) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", server.Addr().String())
	require.NoError(t, err)
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// askHealth returns the status, or 0 when no answer came.
func askHealth(t *testing.T, connection net.Conn) int {
	t.Helper()
	_, err := io.WriteString(connection, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if err != nil {
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func requireClosed(t *testing.T, connection net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, connection)
	var timeout net.Error
	require.False(t, err != nil && errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open")
}
