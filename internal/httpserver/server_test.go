package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience       = 20 * time.Second
	maxConnections = 20
)

// prepare makes a server that answers every request with 200.
func prepare(t *testing.T, address string) *Server {
	t.Helper()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	settings := Settings{Name: "test door", Listen: address, ReadTimeout: patience, WriteTimeout: patience, MaxConnections: maxConnections}
	s, err := New(settings, ok, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

// start starts a prepared server that closes with the test.
func start(t *testing.T, s *Server) *Server {
	t.Helper()
	require.Nil(t, s.Addr())
	require.NoError(t, s.Start())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Close(ctx) // some tests close it themselves
	})
	return s
}

func TestNewRefusesAnAddressThatIsNone(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:no-such-port"} {
		_, err := New(Settings{Listen: address}, nil, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, fmt.Sprintf("listen address %q", address))
	}
}

func TestStartSaysThatTheAddressIsTaken(t *testing.T) {
	address := start(t, prepare(t, "127.0.0.1:0")).Addr().String()
	require.ErrorContains(t, prepare(t, address).Start(), "open the test door: listen tcp "+address)
}

func TestServerThatWasNeverStartedCloses(t *testing.T) {
	require.NoError(t, prepare(t, "127.0.0.1:0").Close(t.Context()))
}

func TestCloseCutsWhatLastsLongerThanItsContext(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	hangs := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	s, err := New(Settings{Name: "test door", Listen: "127.0.0.1:0", MaxConnections: 1}, hangs, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, s.Start())
	unanswered := dial(t, s)
	_, err = io.WriteString(unanswered, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	<-entered

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Close(ctx))
	requireClosed(t, unanswered)
}

func TestCloseWaitsNoLongerThanItsGrace(t *testing.T) {
	entered := make(chan struct{})
	reads := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	var logged bytes.Buffer
	settings := Settings{Name: "test door", Listen: "127.0.0.1:0", MaxConnections: 1}
	s, err := New(settings, reads, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	require.NoError(t, s.Start())
	halfSent := dial(t, s)
	_, err = io.WriteString(halfSent, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, err)
	<-entered

	began := time.Now()
	require.NoError(t, s.Close(t.Context()))
	require.InDelta(t, closeGrace, time.Since(began), float64(closeGrace/2))
	requireClosed(t, halfSent)
	require.Contains(t, logged.String(), "test door cut requests that did not end in time")
}

func TestConnectionWithoutARequestDoesNotDelayClose(t *testing.T) {
	s := start(t, prepare(t, "127.0.0.1:0"))
	silent := dial(t, s)
	require.Equal(t, http.StatusOK, ask(t, dial(t, s)), "connections are accepted in their order")
	began := time.Now()
	require.NoError(t, s.Close(t.Context()))
	require.Less(t, time.Since(began), closeGrace)
	requireClosed(t, silent)
}

func TestRequestWithEndlessHeadersIsRefused(t *testing.T) {
	s := start(t, prepare(t, "127.0.0.1:0"))
	connection := dial(t, s)
	// net/http reads 4 KiB more than it is told.
	_, _ = fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeaderBytes+4096))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

func TestSilentConnectionIsClosed(t *testing.T) {
	s := prepare(t, "127.0.0.1:0")
	s.http.ReadHeaderTimeout = 10 * time.Millisecond
	connection := dial(t, start(t, s))
	_, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: localhost\r\n")
	require.NoError(t, err)
	requireClosed(t, connection)
}

func TestEachTimeOutEndsWhatItIsFor(t *testing.T) {
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		for answer := make([]byte, 1<<20); r.URL.Path == "/endless" && err == nil; {
			_, err = w.Write(answer)
		}
		ended <- err
	})
	const soon = 10 * time.Millisecond
	for name, c := range map[string]struct {
		settings Settings
		request  string
		handled  error
	}{
		"of reading": {Settings{ReadTimeout: soon}, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", os.ErrDeadlineExceeded},
		"of writing": {Settings{WriteTimeout: soon}, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n", os.ErrDeadlineExceeded},
		"of idling":  {Settings{IdleTimeout: soon}, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.Name, c.settings.Listen, c.settings.MaxConnections = "test door", "127.0.0.1:0", 1
			s, err := New(c.settings, handler, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			connection := dial(t, start(t, s))
			_, err = io.WriteString(connection, c.request)
			require.NoError(t, err)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, c.handled)
			case <-time.After(patience):
				t.Fatal("the request is still handled")
			}
			requireClosed(t, connection)
		})
	}
}

func TestLogTellsOfAServersLife(t *testing.T) {
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no such page") })
	for name, c := range map[string]struct {
		happens func(*Server)
		says    string
	}{
		"it closes":        {func(*Server) {}, ""},
		"a handler panics": {func(s *Server) { ask(t, dial(t, s)) }, "no such page"},
		"its listener is gone": {func(s *Server) {
			_ = s.connections.TCPListener.Close()
			s.serving.Wait()
		}, "test door takes no more requests"},
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			log := slog.New(slog.NewTextHandler(&logged, nil))
			s, err := New(Settings{Name: "test door", Listen: "127.0.0.1:0", MaxConnections: 1}, panics, log)
			require.NoError(t, err)
			require.NoError(t, s.Start())
			c.happens(s)
			require.NoError(t, s.Close(t.Context()))
			first, rest, _ := strings.Cut(logged.String(), "\n")
			require.Contains(t, first, `msg="test door is open" address=`+s.Addr().String())
			require.Contains(t, rest, c.says)
			require.Equal(t, c.says == "", rest == "", rest)
		})
	}
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func ask(t *testing.T, connection net.Conn) int {
	t.Helper()
	_, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
