package httpclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func requireBroken(t *testing.T, outcome messages.Outcome) {
	t.Helper()
	require.Equal(t, messages.OutcomeFailed, outcome.Kind, "%v", outcome.Err)
	require.Zero(t, outcome.Status)
	require.True(t, outcome.Sent)
	require.Error(t, outcome.Err)
}

func TestAnswerThatIsNoneIsAFailure(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":               "",
		"half a status line":    "HTTP/1.1 20",
		"half the headers":      "HTTP/1.1 200 OK\r\nContent-Le",
		"another protocol":      "220 mail.example ESMTP\r\n",
		"status that is none":   "HTTP/1.1 abc\r\n\r\n",
		"header without colon":  "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
		"length that is none":   "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"two lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"unknown coding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n",
		"null bytes":            strings.Repeat("\x00", 100),
		"headers over 64 KiB":   "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", maxHeaderBytes) + "\r\n\r\n",
		"status line of 64 KiB": "HTTP/1.1 200 " + strings.Repeat("x", maxHeaderBytes) + "\r\n\r\n",
		"endless early hints":   strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 3000),
	} {
		t.Run(name, func(t *testing.T) {
			outcome := clientOf(t, listen(t, answering(answer))).sendEvent(t.Context(), newEvent(t, 0))

			requireBroken(t, outcome)
			require.Less(t, len(outcome.Err.Error()), maxErrorBytes)
			require.Contains(t, Advice(outcome), "the connection broke")
		})
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\n",
		"HTTP/1.1 101 Other\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 000 None\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		outcome := clientOf(t, listen(t, answering(answer))).sendEvent(t.Context(), newEvent(t, 0))

		require.True(t, outcome.Sent)
		require.Contains(t, []messages.OutcomeKind{
			messages.OutcomeDelivered, messages.OutcomeRejected, messages.OutcomeFailed, messages.OutcomeAway, messages.OutcomeThrottled,
		}, outcome.Kind)
		require.Equal(t, outcome.Kind == messages.OutcomeDelivered, outcome.Err == nil)
		require.Equal(t, outcome.Kind == messages.OutcomeDelivered, Advice(outcome) == "")
		require.GreaterOrEqual(t, outcome.Pause, time.Duration(0))
	})
}

func TestBodyThatIsMalformedChangesNoVerdict(t *testing.T) {
	for name, answer := range map[string]string{
		"too short":        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
		"too long":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello, world",
		"no chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		"no gzip":          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello",
		"no length":        "HTTP/1.0 200 OK\r\n\r\nhello",
		"no body promised": "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			outcome := clientOf(t, listen(t, answering(answer))).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		})
	}
}

func TestProxyThatAcceptsAndClosesIsAway(t *testing.T) {
	for name, bytes := range map[string]int{"small request": 0, "large request": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			client, event := clientOf(t, listen(t, func(net.Conn) {})), newEvent(t, bytes)

			for range 200 { // it closes before the request, amid it, and after it
				outcome := client.sendEvent(t.Context(), event)

				require.Equal(t, messages.OutcomeAway, outcome.Kind, "%v", outcome.Err)
				require.Zero(t, outcome.Status)
				require.Error(t, outcome.Err)
			}
		})
	}
}

func TestConnectionThatWasClosedBeforeTheRequestTookNothing(t *testing.T) {
	client := clientOf(t, "http://example.com")
	client.dialWith(func(context.Context, string, string) (net.Conn, error) {
		conn, other := net.Pipe()
		_ = other.Close()
		return conn, nil
	})

	requireAway(t, client.sendEvent(t.Context(), newEvent(t, 0)))
}

// TestConnectionResetBeforeTheAnswerIsAway: whoever has read a request and fails at it closes the connection in order. A
// reset comes from one who has not read it, or from what stands between.
func TestConnectionResetBeforeTheAnswerIsAway(t *testing.T) {
	url := listen(t, func(conn net.Conn) {
		resetting(conn)
		readRequest(bufio.NewReader(conn))
	})

	outcome := clientOf(t, url).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeAway, outcome.Kind, "%v", outcome.Err)
	require.True(t, outcome.Sent)
	require.ErrorIs(t, outcome.Err, syscall.ECONNRESET)
	require.Contains(t, Advice(outcome), "the connection broke")
}

func TestAnswerBeforeTheWholeRequestIsTheVerdict(t *testing.T) {
	settled := make(chan struct{})
	defer close(settled)
	url := listen(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		<-settled
	})

	outcome := clientOf(t, url).sendEvent(t.Context(), newEvent(t, 16<<20))

	require.Equal(t, messages.OutcomeRejected, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, 413, outcome.Status)
	require.Contains(t, Advice(outcome), "too large")
}

func TestResetAfterAnEarlyAnswerIsThatAnswer(t *testing.T) {
	for name, reads := range map[string]bool{"after the headers": true, "before anything": false} {
		t.Run(name, func(t *testing.T) {
			url := listen(t, func(conn net.Conn) {
				resetting(conn)
				if reads {
					_, _ = http.ReadRequest(bufio.NewReader(conn))
				} else {
					_, _ = conn.Read(make([]byte, 1))
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy")
			})
			client, event := clientOf(t, url), newEvent(t, 4<<20)

			for range 20 {
				outcome := client.sendEvent(t.Context(), event)

				require.Equal(t, 503, outcome.Status, "%v", outcome.Err)
				require.Equal(t, 7*time.Second, outcome.Pause)
			}
		})
	}
}

func TestAttemptThatItsCallerCancelsIsAFailure(t *testing.T) {
	arrived := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the client leave
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()

	outcome := clientOf(t, server.URL).sendEvent(ctx, newEvent(t, 0))

	requireBroken(t, outcome)
	require.ErrorIs(t, outcome.Err, context.Canceled)
	require.Contains(t, Advice(outcome), "called off")
}

func TestAttemptCancelledBeforehandSendsNothing(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	outcome := clientOf(t, server.URL).sendEvent(ctx, newEvent(t, 0))

	require.Equal(t, messages.OutcomeFailed, outcome.Kind)
	require.False(t, outcome.Sent)
	require.ErrorIs(t, outcome.Err, context.Canceled)
	require.Empty(t, requests)
}

func TestEventThatCannotBeSentIsRejected(t *testing.T) {
	event := newEvent(t, 0)
	event.ID = "topsecret\r\nX-Other: 1" // no header can carry it
	var requests []received
	server := serve(t, record(&requests))

	outcome := clientOf(t, server.URL).sendEvent(t.Context(), event)

	require.Equal(t, messages.OutcomeRejected, outcome.Kind)
	require.Zero(t, outcome.Status)
	require.False(t, outcome.Sent)
	require.Error(t, outcome.Err)
	require.NotContains(t, outcome.Err.Error(), "topsecret")
	require.Contains(t, Advice(outcome), "can't be sent as it is")
	require.Empty(t, requests)
}

func TestErrorsShowNeitherURLNorHeaders(t *testing.T) {
	echo := listen(t, func(conn net.Conn) {
		request := make([]byte, 4096)
		read, _ := conn.Read(request)
		_, _ = conn.Write(request[:read])
	})
	echoHeaders := listen(t, func(conn net.Conn) {
		request := make([]byte, 4096)
		read, _ := conn.Read(request)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s", request[:read])
	})
	redirect := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	})
	hang := listen(t, untilClosed)

	for name, address := range map[string]string{
		"refused": "http://" + closedPort(t), "echo": echo, "echo in headers": echoHeaders,
		"redirect": redirect.URL, "hang": hang,
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt(strings.Replace(address, "http://", "http://topsecret:topsecret@", 1) +
				"/topsecret?topsecret=topsecret")
			endpoint.Headers = map[string]config.Secret{"Authorization": "topsecret"}
			endpoint.Timeout = 100 * time.Millisecond

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Error(t, outcome.Err)
			require.NotContains(t, fmt.Sprintf("%+v", outcome), "topsecret")
		})
	}
}

// untilClosed takes what comes, and answers nothing, until the client closes the connection.
func untilClosed(conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
}
