package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
)

// slowReceiver measures the requests that it takes, and answers 200 when it is told to.
type slowReceiver struct {
	url     string
	release chan struct{}

	mu    sync.Mutex
	came  int
	bytes int           // of all bodies
	took  time.Duration // of all requests
}

func newSlowReceiver(t *testing.T) *slowReceiver {
	t.Helper()
	s := &slowReceiver{release: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *slowReceiver) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	began := time.Now()
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.came++
	s.bytes += len(body)
	s.mu.Unlock()
	<-s.release
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took += time.Since(began)
}

func (s *slowReceiver) counted() (requests, bytes int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came, s.bytes, s.took
}

// longTopic makes bodies beside which what else an event takes is little.
var longTopic = strings.Repeat("t", 50_000)

// requireBytesOf checks a metric for the bytes of events whose bodies a receiver measured.
func requireBytesOf(t *testing.T, scrape scrape, family string, chosen labels, bodies, events int) {
	t.Helper()
	value := scrape.sum(t, family, chosen)
	require.GreaterOrEqual(t, value, float64(bodies), family)
	require.Less(t, value, float64(bodies+1024*events), family)
}

func TestBytesAndDurationsAreThoseThatTheReceiverMeasured(t *testing.T) {
	const events = 4
	receiver := newSlowReceiver(t)
	r := newRig(t, config.Endpoint{Name: "a", URL: receiver.url, Workers: events}, config.Endpoint{Name: "b", URL: receiver.url, TopicFilters: []string{"-"}})
	began := time.Now()
	r.publish(t, longTopic, events)
	require.Eventually(t, func() bool { requests, _, _ := receiver.counted(); return requests == events }, patience, time.Millisecond)
	_, bodies, _ := receiver.counted()
	held := r.scrape(t)
	require.EqualValues(t, events, held.sum(t, "webhookd_endpoint_held_events", labels{"endpoint": "a", "state": "in_flight"}))
	requireBytesOf(t, held, "webhookd_endpoint_held_bytes", labels{"endpoint": "a"}, bodies, events)
	require.Zero(t, held.sum(t, "webhookd_endpoint_held_bytes", labels{"endpoint": "b"}))

	time.Sleep(100 * time.Millisecond)
	close(receiver.release)
	var scrape scrape
	require.Eventually(t, func() bool {
		scrape = r.scrape(t)
		return scrape.sum(t, "webhookd_endpoint_attempts_total", labels{"endpoint": "a", "outcome": "delivered"}) == events
	}, patience, time.Millisecond)
	longest := time.Since(began)
	_, _, took := receiver.counted()
	series := scrape.find("webhookd_endpoint_request_duration_seconds", labels{"endpoint": "a"})
	require.Len(t, series, 1)
	durations := series[0].GetHistogram()
	require.EqualValues(t, events, durations.GetSampleCount())
	require.GreaterOrEqual(t, durations.GetSampleSum(), took.Seconds())
	require.LessOrEqual(t, durations.GetSampleSum(), events*longest.Seconds())
	for _, bucket := range durations.GetBucket() {
		switch {
		case bucket.GetUpperBound() <= 0.1:
			require.Zero(t, bucket.GetCumulativeCount(), bucket.GetUpperBound())
		case bucket.GetUpperBound() >= longest.Seconds():
			require.EqualValues(t, events, bucket.GetCumulativeCount(), bucket.GetUpperBound())
		}
	}
	require.Zero(t, scrape.sum(t, "webhookd_endpoint_held_bytes", nil))
}

func TestQueuedBytesAreThoseThatTheReceiverGets(t *testing.T) {
	const events = 3
	receiver := newSlowReceiver(t)
	close(receiver.release)
	r := newRig(t, config.Endpoint{Name: "a", URL: receiver.url})
	r.publish(t, "t", 1)
	require.Eventually(t, func() bool { return r.router.Stats().Endpoints[0].Of(delivery.Delivered) == 1 }, patience, time.Millisecond)
	_, first, _ := receiver.counted()
	process, found := r.system.ProcessRegistry.Get(r.router.PID())
	require.True(t, found)
	process.SendSystemMessage(r.router.PID(), &actor.SuspendMailbox{})
	r.publish(t, longTopic, events)
	queued := r.scrape(t)
	require.EqualValues(t, events, queued.sum(t, "webhookd_mailbox_queued_events", nil))
	require.EqualValues(t, 1+events, queued.sum(t, "webhookd_mailbox_offered_events_total", nil))
	require.EqualValues(t, 1, queued.sum(t, "webhookd_mailbox_routed_events_total", nil))

	process.SendSystemMessage(r.router.PID(), &actor.ResumeMailbox{})
	require.Eventually(t, func() bool { requests, _, _ := receiver.counted(); return requests == 1+events }, patience, time.Millisecond)
	_, bodies, _ := receiver.counted()
	requireBytesOf(t, queued, "webhookd_mailbox_queued_bytes", nil, bodies-first, events)
	require.Zero(t, r.scrape(t).sum(t, "webhookd_mailbox_queued_bytes", nil))
}
