package e2e

import (
	"bufio"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDemoShowsARetryAnOutageAndNoLoss(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := command("demo", "--for", "22s")
	require.Zero(t, code, stderr)
	for _, shown := range []string{
		"mosquitto_pub", "✗ 500", "attempt 2", "✗ 503", "circuit breaker opened", "circuit breaker closed",
		"steady: ", "flaky: ", ", 0 not delivered",
	} {
		require.Contains(t, stdout, shown)
	}
}

func TestDemoEndsWellOnCtrlC(t *testing.T) {
	t.Parallel()
	demo := exec.Command(binary, "demo")
	var out lockedBuilder
	demo.Stdout = &out
	require.NoError(t, demo.Start())
	eventually(t, func() bool { return strings.Contains(out.String(), "reading 3") }, "the client publishes")
	require.NoError(t, demo.Process.Signal(syscall.SIGINT))
	require.NoError(t, demo.Wait())
	require.Contains(t, out.String(), ", 0 not delivered")
}

// listen starts `webhookd listen` and returns its address and its next lines.
func listen(t *testing.T, flags ...string) (url string, lines *bufio.Scanner) {
	t.Helper()
	c := exec.Command(binary, append([]string{"listen", "--address", "127.0.0.1:0"}, flags...)...)
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		require.NoError(t, c.Process.Signal(syscall.SIGINT))
		require.NoError(t, c.Wait())
	})
	lines = bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	url = strings.Fields(strings.TrimPrefix(lines.Text(), "listening on "))[0]
	return url, lines
}

func TestListenPrintsWhatArrivesAndFailsAsTold(t *testing.T) {
	t.Parallel()
	url, lines := listen(t, "--status", "503", "--every", "2", "--retry-after", "3s")
	for _, want := range []struct {
		status     int
		retryAfter string
	}{{200, ""}, {503, "3"}, {200, ""}} {
		response, err := http.Post(url, "application/json", strings.NewReader(`{"a": 1}`))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want.status, response.StatusCode)
		require.Equal(t, want.retryAfter, response.Header.Get("Retry-After"))
		require.True(t, lines.Scan())
		require.Contains(t, lines.Text(), `POST {"a":1} → `)
	}
}

func TestListenCanDelayAndHang(t *testing.T) {
	t.Parallel()
	url, _ := listen(t, "--delay", "300ms")
	began := time.Now()
	response, err := http.Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)

	url, _ = listen(t, "--hang")
	client := http.Client{Timeout: 300 * time.Millisecond}
	_, err = client.Post(url, "application/json", strings.NewReader("{}"))
	require.ErrorContains(t, err, "Client.Timeout")
}

func TestListenWritesNothingOfABodyThatATerminalWouldObey(t *testing.T) {
	t.Parallel()
	url, lines := listen(t)
	response, err := http.Post(url, "text/plain", strings.NewReader("\x1b[2Jbell\a\n"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), `"\x1b[2Jbell\a\n"`)
}
