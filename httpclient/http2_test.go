package httpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/fluxmq/webhookd/messages"
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
		require.Equal(t, messages.OutcomeThrottled, outcome.Kind, "%v", outcome.Err)
		require.Equal(t, 503, outcome.Status)
		require.Equal(t, 3*time.Second, outcome.Pause)
	}
	require.EqualValues(t, 1, opened.Load())
}

func TestHTTP2RefusalProcessedNothing(t *testing.T) {
	refuse := func(c *http2Conn) {
		for stream := c.next(); stream != 0; stream = c.next() {
			_ = c.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		}
	}
	goAway := func(code http2.ErrCode) func(*http2Conn) {
		return func(c *http2Conn) {
			c.next()
			_ = c.WriteGoAway(0, code, []byte("topsecret"))
			c.untilClosed()
		}
	}
	for name, script := range map[string]func(*http2Conn){
		"REFUSED_STREAM":             refuse,
		"GOAWAY below the stream":    goAway(http2.ErrCodeNo),
		"GOAWAY that tells an error": goAway(http2.ErrCodeEnhanceYourCalm),
	} {
		for kind, payload := range map[string]int{"with a body": 10, "with a large body": 1 << 20} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var requests atomic.Int32
				client := serveHTTP2(t, nil, func(c *http2Conn) {
					c.requests = &requests
					script(c)
				})

				for range 3 {
					requests.Store(0)
					outcome := client.sendEvent(t.Context(), newEvent(t, payload))

					require.Equal(t, messages.OutcomeNotProcessed, outcome.Kind, "%v", outcome.Err)
					require.False(t, outcome.Sent)
					require.Zero(t, outcome.Status)
					require.NotContains(t, outcome.Err.Error(), "topsecret")
					require.Contains(t, Advice(outcome), "nothing is lost")
					require.EqualValues(t, 1, requests.Load())
				}
			})
		}
	}
}

func TestHTTP2ServerThatPermitsNoStreamsIsAskedOnce(t *testing.T) {
	var connections atomic.Int32
	client := serveHTTP2(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(c *http2Conn) {
		connections.Add(1)
		for stream := c.next(); stream != 0; stream = c.next() {
			_ = c.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		}
	})
	client.timeout = 200 * time.Millisecond

	for range 3 {
		outcome := client.sendEvent(t.Context(), newEvent(t, 10))

		require.Equal(t, messages.OutcomeNotProcessed, outcome.Kind, "%v", outcome.Err)
		require.False(t, outcome.Sent)
	}
	require.EqualValues(t, 1, connections.Load())
}

// TestHTTP2ErrorAfterTheRequestIsNotSentAgain: of these net/http would send PROTOCOL_ERROR again, up to six times.
func TestHTTP2ErrorAfterTheRequestIsNotSentAgain(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeCancel, http2.ErrCodeEnhanceYourCalm} {
		t.Run(code.String(), func(t *testing.T) {
			var requests atomic.Int32
			client := serveHTTP2(t, nil, func(c *http2Conn) {
				c.requests = &requests
				for stream := c.next(); stream != 0; stream = c.next() {
					_ = c.WriteRSTStream(stream, code)
				}
			})

			requireBroken(t, client.sendEvent(t.Context(), newEvent(t, 10)))

			require.EqualValues(t, 1, requests.Load())
		})
	}
}

func TestHTTP2GoAwayThatIncludesTheStreamIsAFailure(t *testing.T) {
	client := serveHTTP2(t, nil, func(c *http2Conn) {
		_ = c.WriteGoAway(c.next(), http2.ErrCodeInternal, nil)
	})

	requireBroken(t, client.sendEvent(t.Context(), newEvent(t, 10)))
}

func TestHTTP2ConnectionThatClosesAfterTheRequestIsAFailure(t *testing.T) {
	client := serveHTTP2(t, nil, func(c *http2Conn) { c.next() })

	requireBroken(t, client.sendEvent(t.Context(), newEvent(t, 10)))
}

func TestHTTP2AnswerThatComesWithAResetCounts(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeCancel, http2.ErrCodeRefusedStream} {
		t.Run(code.String(), func(t *testing.T) {
			settled := make(chan struct{})
			client := serveHTTP2(t, nil, func(c *http2Conn) {
				stream := c.nextHeaders()
				_ = c.answer(stream, "503", true)
				_ = c.WriteRSTStream(stream, code)
				<-settled
			})
			defer close(settled)

			outcome := client.sendEvent(t.Context(), newEvent(t, 1<<20))

			require.Equal(t, messages.OutcomeAway, outcome.Kind, "%v", outcome.Err)
			require.Equal(t, 503, outcome.Status)
		})
	}
}

// TestHTTP2AnswerWithoutEndCostsItsConnection counts what the client takes, in its buffers and in those of the system.
func TestHTTP2AnswerWithoutEndCostsItsConnection(t *testing.T) {
	const inBuffers = 16 << 20
	taken := make(chan int64, 1)
	client := serveHTTP2(t, nil, func(c *http2Conn) {
		stream := c.next()
		_ = c.answer(stream, "200", false)
		for range 4 {
			_ = c.WriteData(stream, false, make([]byte, 16<<10-1))
		}
		_ = c.WriteData(stream, false, make([]byte, 3))
		for frame, err := c.frame(); err == nil; frame, err = c.frame() {
			if _, reset := frame.(*http2.RSTStreamFrame); reset {
				break
			}
		}
		data := make([]byte, 16<<10)
		for c.taken.Load() < 128<<20 && c.WriteData(stream, false, data) == nil { // the stream is over, and it goes on
		}
		taken <- c.taken.Load()
	})

	outcome := client.sendEvent(t.Context(), newEvent(t, 10))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Less(t, <-taken, int64(inBuffers))
}

// TestHTTP2AnswerBeyondTheLimitIsReset is about a server that stops then, and keeps its connection.
func TestHTTP2AnswerBeyondTheLimitIsReset(t *testing.T) {
	var mutex sync.Mutex
	connections := map[string]bool{}
	server := secureServer(t, &tls.Config{}, func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		connections[r.RemoteAddr] = true
		mutex.Unlock()
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<10))
		}
	})
	client, event := newClient(t, trusting(t, server, server.URL)), newEvent(t, 10)

	for range 50 {
		require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
	}

	mutex.Lock()
	defer mutex.Unlock()
	require.Len(t, connections, 1)
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
		time.Sleep(time.Second) // a connection whose last write fails waits for what its reader still finds
	})
}
