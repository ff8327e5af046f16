package httpclient

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// What an answer's headers and the text of an error may have at most.
const (
	maxHeaderBytes = 64 << 10
	maxErrorBytes  = 300
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	if os.Getenv(proxyTest) != "" {
		deliverOnce()
		return
	}
	if url := os.Getenv(shortTest); url != "" {
		deliverShort(url, os.Getenv(shortTest+"_TLS"))
		return
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m)
}

func endpointAt(url string) config.Endpoint {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "test", URL: url}}
	return webhook.Resolve()[0]
}

func newClient(t testing.TB, endpoint config.Endpoint) *Client {
	t.Helper()
	client, err := New(endpoint, quiet)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func clientOf(t testing.TB, url string) *Client {
	t.Helper()
	return newClient(t, endpointAt(url))
}

// newEvent is a message.published with a payload of that many bytes.
func newEvent(t testing.TB, payloadBytes int) *messages.Envelope {
	t.Helper()
	event := messages.NewEnvelope(&messages.MessagePublished{
		ClientID: "publisher-1", Topic: "sensors/temperature", QoS: 1, Payload: make([]byte, payloadBytes),
	})
	admission := messages.Admission{BrokerID: "broker-1", IncludePayload: true, MaxPayloadBytes: payloadBytes}
	require.NoError(t, event.Admit(admission, time.Now()))
	return event
}

// admitted is the event as a router would hand it on.
func admitted(t testing.TB, event messages.Event) *messages.Envelope {
	t.Helper()
	envelope := messages.NewEnvelope(event)
	admission := messages.Admission{BrokerID: "broker-1", IncludePayload: true, MaxPayloadBytes: 1 << 20}
	require.NoError(t, envelope.Admit(admission, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
	return envelope
}

func published(topic string) *messages.MessagePublished {
	return &messages.MessagePublished{ClientID: "pump-7", Topic: topic, QoS: 1, Payload: []byte(`{"t":21.5}`)}
}

func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// listen calls handle with every connection that comes, one after the other, and closes it afterwards.
func listen(t testing.TB, handle func(net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// answering reads one request from each connection, and writes the answer.
func answering(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if readRequest(bufio.NewReader(conn)) {
			_, _ = io.WriteString(conn, answer)
		}
	}
}

func readRequest(reader *bufio.Reader) bool {
	request, err := http.ReadRequest(reader)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

// resetting makes the connection's Close send a TCP reset.
func resetting(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// closedPort is an address where nothing listens.
func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func (c *Client) sendEvent(ctx context.Context, event *messages.Envelope) messages.Outcome {
	return c.Send(ctx, event.ID, []*messages.Envelope{event})
}

// dialWith makes the client's connections.
func (c *Client) dialWith(dial network.DialFunc) { c.network.Dialer().Instead = dial }
