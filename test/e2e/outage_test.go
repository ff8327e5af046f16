package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const outage = 10 * time.Second

// ingestConfig takes events over HTTP and delivers them to these endpoints, given as YAML list items.
func ingestConfig(webhook string, endpoints ...string) string {
	return "webhook:\n  enabled: true\n" + indent(webhook, 2) + "  endpoints:\n" + indent(strings.Join(endpoints, ""), 4) +
		"sources:\n  ingest:\n    listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\n"
}

func indent(text string, spaces int) string {
	var indented strings.Builder
	for line := range strings.Lines(text) {
		indented.WriteString(strings.Repeat(" ", spaces) + line)
	}
	return indented.String()
}

// quick has retries that a test can wait for.
const quick = `defaults:
  timeout: 2s
  retry: {initial_interval: 100ms, max_interval: 500ms}
  circuit_breaker: {reset_timeout: 1s}
`

// post hands events from one number up to another to the ingest, in one request.
func (p *program) post(from, to int) {
	p.t.Helper()
	var body bytes.Buffer
	for i := from; i <= to; i++ {
		fmt.Fprintf(&body, `{"event_type":"message.published","event_id":"e%d","data":{"client_id":"c","topic":"t/%d"}}`+"\n", i, i)
	}
	response, err := http.Post("http://"+p.ingest()+"/v1/events", "application/x-ndjson", &body)
	require.NoError(p.t, err)
	require.NoError(p.t, response.Body.Close())
	require.Equal(p.t, http.StatusAccepted, response.StatusCode)
}

func requireAll(t *testing.T, r *receiver, count int) {
	t.Helper()
	eventually(t, func() bool { return len(r.taken("")) == count }, "every event arrives")
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

	p := run(t, ingestConfig(quick, "- {name: down, url: 'http://"+address+"/'}\n"))
	p.post(1, 100)
	time.Sleep(outage / 2)
	p.post(101, 300)
	time.Sleep(outage / 2)

	r := &receiver{answer: func(int, received) int { return http.StatusOK }}
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	r.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: r}}
	r.Start()
	t.Cleanup(r.Close)
	requireAll(t, r, 300)

	p.signalAndExpect(0)
	require.Equal(t, 300, p.summary("down").number("delivered"))
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
	p := run(t, ingestConfig(quick, "- {name: guarded, url: '"+r.URL+"'}\n"))
	p.post(1, 300)
	requireAll(t, r, 300)
	require.Less(t, len(r.requests()), 400, "an open breaker sends only probes")

	bodies := map[string]string{}
	for _, request := range r.requests() {
		if first, again := bodies[request.ID]; again {
			require.Equal(t, first, request.body, "every attempt sends the same bytes")
		}
		bodies[request.ID] = request.body
	}
	p.signalAndExpect(0)
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
	p := run(t, ingestConfig("shutdown_timeout: 1s\n",
		"- {name: hung, url: '"+hung.URL+"', timeout: 20s}\n",
		"- {name: first, url: '"+first.URL+"'}\n",
		"- {name: second, url: '"+second.URL+"'}\n"))
	began := time.Now()
	p.post(1, 1000)
	requireAll(t, first, 1000)
	requireAll(t, second, 1000)
	require.Less(t, time.Since(began), 15*time.Second, "the hung endpoint's time-out is 20 s")

	p.signalAndExpect(3)
	require.Equal(t, 5, p.summary("hung").number("dead_lettered", "unknown_outcome"))
	require.Equal(t, 995, p.summary("hung").number("dead_lettered", "shutdown"))
}
