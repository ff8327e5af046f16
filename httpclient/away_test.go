package httpclient

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func requireAway(t *testing.T, outcome messages.Outcome) {
	t.Helper()
	require.Equal(t, messages.OutcomeAway, outcome.Kind, "%v", outcome.Err)
	require.Zero(t, outcome.Status)
	require.False(t, outcome.Sent)
	require.Error(t, outcome.Err)
}

func TestRefusedPortIsAway(t *testing.T) {
	address := closedPort(t)

	outcome := clientOf(t, "http://"+address).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorIs(t, outcome.Err, syscall.ECONNREFUSED)
	require.ErrorContains(t, outcome.Err, "dial tcp "+address)
	require.Contains(t, Advice(outcome), "nothing listens")
}

func TestHostWithoutAnAddressIsAway(t *testing.T) {
	outcome := clientOf(t, "http://webhookd.invalid").sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.Contains(t, Advice(outcome), "can't be re") // resolved, or reached where no name server answers
}

func TestUntrustedCertificateIsAway(t *testing.T) {
	server := serveTLS(t)

	outcome := clientOf(t, server.URL).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "certificate")
	require.Contains(t, Advice(outcome), "not trusted")
}

func TestCertificateOfAnotherHostIsAway(t *testing.T) {
	server := serveTLS(t)
	endpoint := trusting(t, server, strings.Replace(server.URL, "127.0.0.1", "localhost", 1))

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "localhost")
	require.Contains(t, Advice(outcome), "not trusted")
}

func TestPlainHTTPWhereTLSIsExpectedIsAway(t *testing.T) {
	url := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})

	outcome := clientOf(t, strings.Replace(url, "http", "https", 1)).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.Contains(t, Advice(outcome), "speaks no TLS")
}

func TestHandshakeThatNeverEndsIsAway(t *testing.T) {
	closed := make(chan struct{})
	url := listen(t, func(conn net.Conn) {
		untilClosed(conn)
		close(closed)
	})
	endpoint := endpointAt(strings.Replace(url, "http", "https", 1))
	endpoint.Timeout = 50 * time.Millisecond

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.Contains(t, Advice(outcome), "raise timeout")
	<-closed // net/http goes on with a handshake that nobody waits for, but not for ever
}

// serveTLS serves with a certificate of its own for 127.0.0.1 and example.com.
func serveTLS(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of every refused handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// trusting is an endpoint at the url that trusts the server's certificate.
func trusting(t *testing.T, server *httptest.Server, url string) config.Endpoint {
	t.Helper()
	endpoint := endpointAt(url)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	endpoint.TLS.CAFile = writeNew(t, certificate)
	return endpoint
}
