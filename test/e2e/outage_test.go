package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

const outage = 10 * time.Second

// quick has retries that a test can wait for.
const quick = `defaults:
  timeout: 2s
  retry: {initial_interval: 100ms, max_interval: 500ms}
  circuit_breaker: {reset_timeout: 1s, rejection_threshold: 0}
`

func requireAll(t *testing.T, r *receiver, count int) {
	t.Helper()
	webhookd.Eventually(t, func() bool { return len(r.taken("")) == count }, "every event arrives")
	var ids []string
	for _, event := range r.taken("") {
		ids = append(ids, event.ID)
	}
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), count)
}

func TestEndpointDownForTenSecondsLosesNothing(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := probe.Addr().String()
	require.NoError(t, probe.Close()) // nobody listens there now

	p := webhookd.Run(t, webhookd.IngestConfig(quick, "- {name: down, url: 'http://"+address+"/'}\n"))
	p.Post("t", 1, 100)
	time.Sleep(outage / 2)
	p.Post("t", 101, 300)
	time.Sleep(outage / 2)

	r := &receiver{answer: func(int, received) int { return http.StatusOK }}
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	r.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: r}}
	r.Start()
	t.Cleanup(r.Close)
	requireAll(t, r, 300)

	p.TerminateAndExpect(0)
	require.Equal(t, 300, p.Summary("down").Number("delivered"))
}

func TestTokenRefusedForTenSecondsLosesNothing(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	back := time.Now().Add(outage)
	r.answers(func(int, received) int {
		if time.Now().Before(back) {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	})
	p := webhookd.Run(t, webhookd.IngestConfig(quick, "- {name: guarded, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 300)
	requireAll(t, r, 300)
	require.Less(t, len(r.requests()), 400, "an open breaker sends only probes")

	bodies := map[string]string{}
	for _, request := range r.requests() {
		if first, again := bodies[request.ID]; again {
			require.Equal(t, first, request.body, "every attempt sends the same bytes")
		}
		bodies[request.ID] = request.body
	}
	p.TerminateAndExpect(0)
}

func TestHungEndpointBesideHealthyOnes(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer hung.Close()
	defer close(release)
	first, second := newReceiver(t), newReceiver(t)
	p := webhookd.Run(t, webhookd.IngestConfig("shutdown_timeout: 1s\n",
		"- {name: hung, url: '"+hung.URL+"', timeout: 20s}\n",
		"- {name: first, url: '"+first.URL+"'}\n",
		"- {name: second, url: '"+second.URL+"'}\n"))
	began := time.Now()
	p.Post("t", 1, 1000)
	requireAll(t, first, 1000)
	requireAll(t, second, 1000)
	require.Less(t, time.Since(began), 15*time.Second, "the hung endpoint's time-out is 20 s")

	p.TerminateAndExpect(3)
	require.Equal(t, 5, p.Summary("hung").Number("dead_lettered", "unknown_outcome"))
	require.Equal(t, 995, p.Summary("hung").Number("dead_lettered", "shutdown"))
}
