package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// batched are events as one request brought them.
type batched struct {
	id     string
	events []received
	body   string
	status int
}

// batchReceiver takes arrays of events, and refuses with 422 an array that has the event poison in it.
type batchReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	status  int // of arrays without poison
	arrived []batched
}

func newBatchReceiver(t *testing.T, poison string) *batchReceiver {
	r := &batchReceiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		var events []received
		if err != nil || json.Unmarshal(body, &events) != nil {
			w.WriteHeader(http.StatusConflict)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		status := r.status
		if slices.ContainsFunc(events, func(event received) bool { return event.ID == poison }) {
			status = http.StatusUnprocessableEntity
		}
		r.arrived = append(r.arrived, batched{request.Header.Get("webhook-id"), events, string(body), status})
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *batchReceiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *batchReceiver) requests() []batched {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]batched(nil), r.arrived...)
}

// taken counts how often each event was taken.
func (r *batchReceiver) taken() map[string]int {
	taken := map[string]int{}
	for _, batch := range r.requests() {
		for _, event := range batch.events {
			if batch.status == http.StatusOK {
				taken[event.ID]++
			}
		}
	}
	return taken
}

func TestBatchesBringEachEventOnceAndCostAPoisonousOneItselfAlone(t *testing.T) {
	t.Parallel()
	r := newBatchReceiver(t, "e42")
	p := webhookd.Run(t, webhookd.IngestConfig(quick,
		"- {name: batches, url: '"+r.URL+"', batch: {max_events: 20, max_wait: 50ms}, workers: 2}\n"))
	p.Post("t", 1, 110)
	webhookd.Eventually(t, func() bool { return len(r.taken()) == 109 }, "all but the poisonous event arrive")
	for id, times := range r.taken() {
		require.Equal(t, 1, times, id)
	}
	require.Less(t, len(r.requests()), 30)

	p.TerminateAndExpect(0)
	summary := p.Summary("batches")
	require.Equal(t, 109, summary.Number("delivered"))
	require.Equal(t, 1, summary.Number("dead_lettered", "rejected"))
}

func TestBatchIsFrozenOverItsRetries(t *testing.T) {
	t.Parallel()
	r := newBatchReceiver(t, "")
	r.answers(http.StatusInternalServerError)
	p := webhookd.Run(t, webhookd.IngestConfig(quick,
		"- {name: batches, url: '"+r.URL+"', batch: {max_events: 10, max_wait: 20ms}, retry: {max_attempts: 50}, workers: 1}\n"))
	p.Post("t", 1, 3)
	webhookd.Eventually(t, func() bool { return len(r.requests()) == 2 }, "the batch is tried again")
	p.Post("t", 4, 30)
	r.answers(http.StatusOK)
	webhookd.Eventually(t, func() bool { return len(r.taken()) == 30 }, "all arrive")

	first, bodies := r.requests()[0], map[string]string{}
	require.Len(t, first.events, 3)
	next := 0
	for _, batch := range r.requests() {
		if body, again := bodies[batch.id]; again {
			require.Equal(t, body, batch.body, "the same events under the same id")
		}
		bodies[batch.id] = batch.body
		if batch.status != http.StatusOK {
			continue
		}
		for _, event := range batch.events {
			next++
			require.Equal(t, fmt.Sprintf("e%d", next), event.ID, "with one worker, in order")
		}
	}
	p.TerminateAndExpect(0)
}
