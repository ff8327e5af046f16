package httpclient

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// serveCounting counts the connections that come.
func serveCounting(t testing.TB, handler http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, &opened
}

func TestOneConnectionServesAllDeliveriesInTurn(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no body":       func(http.ResponseWriter, *http.Request) {},
		"200 bytes":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 200)) },
		"60 KiB chunks": func(w http.ResponseWriter, _ *http.Request) { writeChunks(w, 60) },
		"200 bytes of an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("x", 200), http.StatusInternalServerError)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, opened := serveCounting(t, handler)
			client, event := clientOf(t, server.URL), newEvent(t, 0)

			for range 50 {
				require.NotZero(t, client.sendEvent(t.Context(), event).Status)
			}

			require.EqualValues(t, 1, opened.Load())
		})
	}
}

func TestBodyBeyondTheLimitCostsTheConnection(t *testing.T) {
	server, opened := serveCounting(t, func(w http.ResponseWriter, _ *http.Request) { writeChunks(w, 200) })
	client, event := clientOf(t, server.URL), newEvent(t, 0)

	for range 3 {
		require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
	}

	require.EqualValues(t, 3, opened.Load())
}

func TestWorkersKeepTheirConnections(t *testing.T) {
	endpoint := endpointAt("")
	arrived := make(chan struct{}, endpoint.Workers)
	proceed := make(chan struct{})
	server, opened := serveCounting(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-proceed
	})
	client, event := clientOf(t, server.URL), newEvent(t, 0)

	for range 20 {
		var workers sync.WaitGroup
		for range endpoint.Workers {
			workers.Go(func() { client.sendEvent(t.Context(), event) })
		}
		for range endpoint.Workers {
			<-arrived
		}
		for range endpoint.Workers {
			proceed <- struct{}{}
		}
		workers.Wait()
	}

	require.EqualValues(t, endpoint.Workers, opened.Load())
}

func TestMoreSendersThanWorkersShareTheConnections(t *testing.T) {
	server, opened := serveCounting(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	endpoint := endpointAt(server.URL)
	endpoint.Workers = 2
	client, event := newClient(t, endpoint), newEvent(t, 0)

	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() { assert.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind) })
	}
	senders.Wait()

	require.LessOrEqual(t, opened.Load(), int32(2))
}

func TestBrokenConnectionIsNotSentAgain(t *testing.T) {
	for _, header := range []string{"X-Site", "Idempotency-Key", "X-Idempotency-Key"} {
		t.Run(header, func(t *testing.T) {
			var requests atomic.Int32
			url := listen(t, func(conn net.Conn) {
				reader := bufio.NewReader(conn)
				for readRequest(reader) && requests.Add(1) == 1 {
					_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
			endpoint := endpointAt(url)
			endpoint.Headers = map[string]config.Secret{header: "1"}
			client, event := newClient(t, endpoint), newEvent(t, 0)

			require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
			outcome := client.sendEvent(t.Context(), event)

			requireBroken(t, outcome)
			require.EqualValues(t, 2, requests.Load())
		})
	}
}

// stuckConn is a connection that takes nothing any more once it is stuck, and does not say so before.
type stuckConn struct {
	net.Conn
	stuck atomic.Bool
}

func (c *stuckConn) Write(bytes []byte) (int, error) {
	if c.stuck.Load() {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(bytes)
}

func TestIdleConnectionThatTakesNothingProcessedNothing(t *testing.T) {
	for name, payload := range map[string]int{"no body": 0, "body": 1000, "body of many writes": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var requests []received
			server := serve(t, record(&requests))
			client, event := clientOf(t, server.URL), newEvent(t, payload)
			stuck := stickFirstConnection(t, client, event)

			stuck.Store(true)
			outcome := client.sendEvent(t.Context(), event)

			require.Equal(t, messages.OutcomeNotProcessed, outcome.Kind, "%v", outcome.Err)
			require.False(t, outcome.Sent)
			require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
			require.Len(t, requests, 2)
			require.Equal(t, requests[0], requests[1])
		})
	}
}

func TestKeptConnectionThatClosesBeforeTheRequestIsWholeProcessedNothing(t *testing.T) {
	url := listen(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		if readRequest(reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
			_, _ = http.ReadRequest(reader) // but not its body
		}
	})
	client := clientOf(t, url)
	require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), newEvent(t, 0)).Kind)

	outcome := client.sendEvent(t.Context(), newEvent(t, 16<<20))

	require.Equal(t, messages.OutcomeNotProcessed, outcome.Kind, "%v", outcome.Err)
	require.False(t, outcome.Sent)
	require.Contains(t, Advice(outcome), "nothing is lost")
}

// stickFirstConnection delivers the event over a connection that stays idle, and can then be made stuck.
func stickFirstConnection(t *testing.T, client *Client, event *messages.Envelope) *atomic.Bool {
	t.Helper()
	first := &stuckConn{}
	client.dialWith(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && first.Conn == nil {
			first.Conn = conn
			return first, nil
		}
		return conn, err
	})
	require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
	return &first.stuck
}

func TestEndpointGoneBetweenTwoDeliveriesIsAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	client, event := clientOf(t, server.URL), newEvent(t, 0)
	require.Equal(t, 404, client.sendEvent(t.Context(), event).Status)

	server.Close()

	require.Eventually(t, func() bool {
		outcome := client.sendEvent(t.Context(), event)
		return outcome.Kind == messages.OutcomeAway && !outcome.Sent
	}, 5*time.Second, time.Millisecond)
}

func writeChunks(w http.ResponseWriter, kibibytes int) {
	chunk := make([]byte, 1<<10)
	for range kibibytes {
		_, _ = w.Write(chunk)
		_ = http.NewResponseController(w).Flush()
	}
}
