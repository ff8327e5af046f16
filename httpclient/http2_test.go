package httpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/messages"
	"github.com/stretchr/testify/require"
)

func TestHTTP2SharesOneConnection(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	client, event := newClient(t, trusting(t, server, server.URL)), newEvent(t, 1000)

	for range 10 {
		outcome := client.sendEvent(t.Context(), event)
		require.Equal(t, messages.OutcomeAway, outcome.Kind, "%v", outcome.Err)
		require.Equal(t, 503, outcome.Status)
		require.Equal(t, 3*time.Second, outcome.Pause)
	}
	require.EqualValues(t, 1, opened.Load())
}

func TestHTTP2TimeoutIsAFailure(t *testing.T) {
	protocols := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		protocols <- r.Proto
		<-r.Context().Done()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	endpoint := trusting(t, server, server.URL)
	endpoint.Timeout = 200 * time.Millisecond

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireBroken(t, outcome)
	require.Equal(t, "HTTP/2.0", <-protocols)
	require.Contains(t, Advice(outcome), "too slow")
}

// cutConn is a connection whose other side can be cut off without a sign of it.
type cutConn struct {
	net.Conn
	cut *atomic.Bool
}

func (c cutConn) Write(bytes []byte) (int, error) {
	if c.cut.Load() {
		return len(bytes), nil
	}
	return c.Conn.Write(bytes)
}

func TestHTTP2ConnectionThatIsCutOffIsReplaced(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	synctest.Test(t, func(t *testing.T) {
		network := newPipe()
		protocols := make(chan string, 10)
		server := &http.Server{
			Handler:   http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocols <- r.Proto }),
			TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates},
		}
		go func() { _ = server.ServeTLS(network, "", "") }()
		client := newClient(t, trusting(t, certified, "https://example.com/hook"))
		cut := new(atomic.Bool)
		client.dialWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := network.dial(ctx, "", "")
			return cutConn{conn, cut}, err
		})

		outcome, _ := send(t, client)
		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		require.Equal(t, "HTTP/2.0", <-protocols)
		cut.Store(true)
		outcome, _ = send(t, client)
		requireBroken(t, outcome)
		cut = new(atomic.Bool)       // of the next connection
		time.Sleep(30 * time.Second) // a ping goes out, and is waited for
		outcome, _ = send(t, client)
		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)

		client.Close()
		require.NoError(t, server.Close())
	})
}
