package httpclient

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/messages"
	"github.com/stretchr/testify/require"
)

// pipe is a network of one server, whose connections are net.Pipes: so all waiting is in virtual time.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipe() *pipe {
	return &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipe) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	close(p.closed)
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// serveInVirtualTime runs test in a bubble with a client of an HTTP server there. It watches the states of the server's
// connections.
func serveInVirtualTime(t *testing.T, handler http.HandlerFunc, test func(*testing.T, *Client, chan http.ConnState)) {
	synctest.Test(t, func(t *testing.T) {
		network := newPipe()
		states := make(chan http.ConnState, 100)
		server := &http.Server{
			Handler:   handler,
			ConnState: func(_ net.Conn, state http.ConnState) { states <- state },
		}
		go func() { _ = server.Serve(network) }()
		client := newClient(t, endpointAt("http://receiver.example/hook"))
		client.dialWith(network.dial)

		test(t, client, states)

		client.Close()
		require.NoError(t, server.Close())
		time.Sleep(2 * time.Second) // for handlers that took a connection over
	})
}

// send tells how long the attempt took, too.
func send(t *testing.T, client *Client) (messages.Outcome, time.Duration) {
	t.Helper()
	event, begun := newEvent(t, 0), time.Now()
	outcome := client.sendEvent(t.Context(), event)
	return outcome, time.Since(begun)
}

func TestAnswerThatNeverComesIsGivenUpAtTheTimeout(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	serveInVirtualTime(t, hang, func(t *testing.T, client *Client, _ chan http.ConnState) {
		outcome, took := send(t, client)

		requireBroken(t, outcome)
		require.ErrorIs(t, outcome.Err, context.DeadlineExceeded)
		require.Contains(t, Advice(outcome), "too slow")
		require.Equal(t, 5*time.Second, took)
	})
}

func TestHeadersThatComeByteByByteAreGivenUpAtTheTimeout(t *testing.T) {
	drip := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	serveInVirtualTime(t, drip, func(t *testing.T, client *Client, _ chan http.ConnState) {
		outcome, took := send(t, client)

		requireBroken(t, outcome)
		require.ErrorIs(t, outcome.Err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, took)
	})
}

func TestConnectionThatNeverComesAboutIsGivenUpAtTheTimeout(t *testing.T) {
	serveInVirtualTime(t, nil, func(t *testing.T, client *Client, _ chan http.ConnState) {
		client.dialWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})

		outcome, took := send(t, client)

		requireAway(t, outcome)
		require.ErrorIs(t, outcome.Err, context.DeadlineExceeded)
		require.Contains(t, Advice(outcome), "raise timeout")
		require.Equal(t, 5*time.Second, took)
	})
}

func TestEndlessBodyChangesNoVerdictAndHoldsNobody(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}
	serveInVirtualTime(t, endless, func(t *testing.T, client *Client, states chan http.ConnState) {
		outcome, took := send(t, client)

		require.Equal(t, messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}, outcome)
		require.Zero(t, took)
		requireClosed(t, states)
	})
}

func TestSlowBodyHoldsTheWorkerForOneSecond(t *testing.T) {
	serveInVirtualTime(t, slowBody(0), func(t *testing.T, client *Client, states chan http.ConnState) {
		outcome, took := send(t, client)

		require.Equal(t, messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}, outcome)
		require.Equal(t, time.Second, took)
		requireClosed(t, states)
	})
}

func TestSlowBodyHoldsTheWorkerNoLongerThanTheTimeout(t *testing.T) {
	serveInVirtualTime(t, slowBody(4700*time.Millisecond), func(t *testing.T, client *Client, states chan http.ConnState) {
		outcome, took := send(t, client)

		require.Equal(t, messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}, outcome)
		require.Equal(t, 5*time.Second, took)
		requireClosed(t, states)
	})
}

func TestIdleConnectionIsClosedAfterNinetySeconds(t *testing.T) {
	answer := func(http.ResponseWriter, *http.Request) {}
	serveInVirtualTime(t, answer, func(t *testing.T, client *Client, states chan http.ConnState) {
		_, _ = send(t, client)
		time.Sleep(89 * time.Second)
		_, _ = send(t, client)
		time.Sleep(89 * time.Second)
		synctest.Wait()
		require.Equal(t, []http.ConnState{
			http.StateNew, http.StateActive, http.StateIdle, http.StateActive, http.StateIdle,
		}, drained(states))

		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []http.ConnState{http.StateClosed}, drained(states))
	})
}

func TestIdleConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	closing := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		time.Sleep(time.Second)
		_ = conn.Close()
	}
	serveInVirtualTime(t, closing, func(t *testing.T, client *Client, _ chan http.ConnState) {
		for range 3 {
			outcome, _ := send(t, client)
			require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
			time.Sleep(2 * time.Second)
		}
	})
}

// slowBody answers after a while, and never ends the body.
func slowBody(before time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(before)
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func requireClosed(t *testing.T, states chan http.ConnState) {
	t.Helper()
	synctest.Wait()
	require.Contains(t, drained(states), http.StateClosed)
}

func drained(states chan http.ConnState) []http.ConnState {
	var all []http.ConnState
	for len(states) > 0 {
		all = append(all, <-states)
	}
	return all
}
