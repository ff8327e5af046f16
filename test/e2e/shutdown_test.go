package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestSIGTERMWithFiveThousandPendingDeliversThem(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int {
		time.Sleep(time.Millisecond) // the receiver's lock makes this the time of each request
		return http.StatusOK
	})
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: slow, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 5000)
	p.TerminateAndExpect(0)
	require.Len(t, r.taken(""), 5000)
	summary := p.Summary("slow")
	require.Equal(t, 5000, summary.Number("accepted"))
	require.Equal(t, 5000, summary.Number("delivered"))
	require.Zero(t, summary.Number("lost"))
}

func TestSIGTERMWithAnEndpointAwayTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: away, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 5000)
	p.Await("circuit breaker opened: events wait until the endpoint is back")

	began := time.Now()
	p.TerminateAndExpect(3)
	require.Less(t, time.Since(began), 10*time.Second, "nobody waits for an endpoint that is away")
	require.Equal(t, 5000, p.Summary("away").Number("dead_lettered", "shutdown"))
	require.Equal(t, 5000, p.Summary("away").Number("lost"))
	require.Equal(t, 5000, p.Await("events are LOST: they were still held, and no place keeps them").Number("events"))
}

func TestSIGTERMWithAStoreKeepsWhatIsHeld(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	config := webhookd.ReplayConfig(filepath.Join(t.TempDir(), "kept here"), quick, "- {name: away, url: '"+r.URL+"'}\n")
	p := webhookd.Run(t, config)
	p.Post("t", 1, 5000)
	p.TerminateAndExpect(0)
	require.Zero(t, p.Summary("away").Number("dead_lettered", "total"))
	require.Zero(t, p.Summary("away").Number("lost"))

	r.answers(func(int, received) int { return http.StatusOK })
	next := webhookd.Run(t, config)
	requireAll(t, r, 5000)
	require.Empty(t, next.ListDeadLetters())
	next.TerminateAndExpect(0)
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	release := make(chan struct{})
	r.answers(func(int, received) int {
		<-release
		return http.StatusOK
	})
	defer close(release)
	p := webhookd.Run(t, webhookd.IngestConfig("defaults: {timeout: 60s}\nshutdown_timeout: 60s\n", "- {name: hung, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 10)
	webhookd.Eventually(t, func() bool { return p.Metric(`webhookd_endpoint_held_events{endpoint="hung",state="in_flight"}`) == 5 }, "requests are in flight")
	p.Signal(syscall.SIGTERM)
	p.Await("stopping: a second signal stops at once")
	p.Signal(syscall.SIGINT)
	began := time.Now()
	require.Equal(t, 3, p.Exit())
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestDrainIsNotReadyButHealthy(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	answered, answer := context.WithCancel(t.Context())
	defer answer()
	r.answers(func(int, received) int {
		<-answered.Done()
		return http.StatusOK
	})
	p := webhookd.Run(t, webhookd.IngestConfig("defaults: {timeout: 60s}\nshutdown_timeout: 60s\n", "- {name: slow, url: '"+r.URL+"'}\n"))
	admin := p.Await("admin side is open")["address"].(string)
	status := func(path string) int {
		response, err := http.Get("http://" + admin + path)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, status("/readyz"))
	p.Post("t", 1, 1)
	p.Signal(syscall.SIGTERM)
	webhookd.Eventually(t, func() bool { return status("/readyz") == http.StatusServiceUnavailable }, "it is not ready")
	require.Equal(t, http.StatusOK, status("/healthz"))
	webhookd.Eventually(t, func() bool { return p.Metric(`webhookd_endpoint_held_events{endpoint="slow",state="in_flight"}`) == 1 }, "the drain goes on")
	require.Equal(t, http.StatusServiceUnavailable, status("/readyz"))
	answer()
	require.Zero(t, p.Exit())
}

func TestUnusedConnectionsDoNotDelayTheStop(t *testing.T) {
	t.Parallel()
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: a, url: '"+newReceiver(t).URL+"'}\n"))
	for _, door := range []string{"ingest is open", "admin side is open"} {
		connection, err := net.Dial("tcp", p.Await(door)["address"].(string))
		require.NoError(t, err)
		defer connection.Close()
	}
	began := time.Now()
	p.TerminateAndExpect(0)
	require.Less(t, time.Since(began), 4*time.Second)
}

func TestHalfSentRequestDecidesNeitherTheStopNorTheExitCode(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: a, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 10)
	for _, sent := range []string{"[", `[{"event_type":"auth.failure","data":{}}`} {
		connection, err := net.Dial("tcp", p.Await("ingest is open")["address"].(string))
		require.NoError(t, err)
		defer connection.Close()
		_, err = fmt.Fprintf(connection, "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
		require.NoError(t, err)
		goOn, err := bufio.NewReader(connection).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 100 Continue\r\n", goOn, "the body is being read")
		_, err = io.WriteString(connection, sent)
		require.NoError(t, err)
	}
	began := time.Now()
	p.TerminateAndExpect(0)
	require.Less(t, time.Since(began), 4*time.Second)
	p.Await("ingest cut requests that did not end in time")
	require.Len(t, r.taken(""), 10)
}
