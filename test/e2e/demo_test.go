package e2e

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestDemoShowsARetryAnOutageAKillAndNoLoss(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := webhookd.Command("demo", "--for", "22s")
	require.Zero(t, code, stderr)
	for _, shown := range []string{
		"mosquitto_pub", "✗ 500", "attempt 2", "✗ 503", "circuit breaker opened", "circuit breaker closed",
		"kill -9: webhookd is gone", "webhookd is back", "webhookd was killed once between",
	} {
		require.Contains(t, stdout, shown)
	}
	require.Equal(t, 2, strings.Count(stdout, ", 0 not delivered"), stdout)
}

func TestDemoEndsWellOnCtrlC(t *testing.T) {
	t.Parallel()
	demo := webhookd.Start(t, "demo")
	webhookd.Eventually(t, func() bool { return strings.Contains(demo.Stdout(), "reading 3") }, "the client publishes")
	demo.Signal(syscall.SIGINT)
	require.Zero(t, demo.Exit())
	require.Contains(t, demo.Stdout(), ", 0 not delivered")
}

func TestListenPrintsWhatArrivesAndFailsAsTold(t *testing.T) {
	t.Parallel()
	p, url := webhookd.Listen(t, "--status", "503", "--every", "2", "--retry-after", "3s")
	for i, want := range []struct {
		status     int
		retryAfter string
	}{{200, ""}, {503, "3"}, {200, ""}} {
		response, err := http.Post(url, "application/json", strings.NewReader(`{"a": 1}`))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want.status, response.StatusCode)
		require.Equal(t, want.retryAfter, response.Header.Get("Retry-After"))
		require.Equal(t, i+1, strings.Count(p.Stdout(), `POST {"a":1} → `))
	}
}

func TestListenCanDelayAndHang(t *testing.T) {
	t.Parallel()
	_, url := webhookd.Listen(t, "--delay", "300ms")
	began := time.Now()
	response, err := http.Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)

	_, url = webhookd.Listen(t, "--hang")
	client := http.Client{Timeout: 300 * time.Millisecond}
	_, err = client.Post(url, "application/json", strings.NewReader("{}"))
	require.ErrorContains(t, err, "Client.Timeout")
}

func TestListenWritesNothingOfABodyThatATerminalWouldObey(t *testing.T) {
	t.Parallel()
	p, url := webhookd.Listen(t)
	response, err := http.Post(url, "text/plain", strings.NewReader("\x1b[2Jbell\a\n"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Contains(t, p.Stdout(), `"\x1b[2Jbell\a\n"`)
}

func TestDemoNamesOneAddressForEachThingWhereThePortOfMQTTIsTaken(t *testing.T) {
	t.Parallel()
	if taken, err := net.Listen("tcp", "127.0.0.1:1883"); err == nil {
		defer taken.Close()
	}
	code, stdout, stderr := webhookd.Command("demo", "--for", "2s")
	require.Zero(t, code, stderr)
	for _, message := range []string{"admin side is open", "ingest is open", "MQTT broker is open"} {
		require.Equal(t, 1, strings.Count(stdout, message), stdout)
	}
	require.Contains(t, stdout, "log     level=INFO msg=")
	require.NotContains(t, stdout, "left_out=0")
}
