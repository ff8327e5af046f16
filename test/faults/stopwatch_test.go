package faults

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// stopwatch is a receiver in good health, of one endpoint or of several on a path each. It knows how long each event was
// under way: from its timestamp, which is when it was handed over, until it came.
type stopwatch struct {
	*httptest.Server
	mu       sync.Mutex
	came     map[arrival]bool
	underWay []time.Duration
}

type arrival struct{ path, id string }

func newStopwatch(t *testing.T) *stopwatch {
	s := &stopwatch{came: map[arrival]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stopwatch) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(request.Body)
	var event struct {
		ID        string    `json:"event_id"`
		Timestamp time.Time `json:"timestamp"`
	}
	if err != nil || json.Unmarshal(body, &event) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came[arrival{request.URL.Path, event.ID}] = true
	s.underWay = append(s.underWay, now.Sub(event.Timestamp))
}

// lap waits until this many events have come since the last lap, each of them once, and returns the time that 99 of 100
// were under way at most.
func (s *stopwatch) lap(t *testing.T, events int) (p99 time.Duration) {
	t.Helper()
	webhookd.Eventually(t, func() bool { return s.arrivals() >= events }, "every event arrives")
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, []int{events, events}, []int{len(s.underWay), len(s.came)}, "a healthy endpoint gets every event once")
	slices.Sort(s.underWay)
	p99 = s.underWay[events*99/100]
	clear(s.came)
	s.underWay = nil
	return p99
}

func (s *stopwatch) arrivals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.underWay)
}

// requirePrompt compares the p99 of two laps: in the second no event may have waited for a neighbour with this time-out.
func requirePrompt(t *testing.T, calm, storm, timeout time.Duration) {
	t.Helper()
	t.Logf("p99 of what is healthy: %v, and %v beside the fault", calm, storm)
	require.Less(t, storm, calm+timeout/2)
}
