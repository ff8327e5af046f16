package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// receiver is an HTTP server that takes webhooks.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(nth int, event received) int
	received []received
}

// received is a webhook as it came.
type received struct {
	Type      string         `json:"event_type"`
	ID        string         `json:"event_id"`
	Timestamp string         `json:"timestamp"`
	BrokerID  string         `json:"broker_id"`
	Data      map[string]any `json:"data"`

	path   string
	header http.Header
	body   string
	status int
}

// newReceiver starts a receiver that answers 200.
func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: func(int, received) int { return http.StatusOK }}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var event received
	if err != nil || json.Unmarshal(body, &event) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	event.path, event.header, event.body = request.URL.Path, request.Header, string(body)
	r.mu.Lock()
	event.status = r.answer(len(r.received)+1, event)
	r.received = append(r.received, event)
	r.mu.Unlock()
	w.WriteHeader(event.status)
}

func (r *receiver) answers(answer func(nth int, event received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// taken lists the events that were answered 200, each once; an empty type means all.
func (r *receiver) taken(eventType string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []received
	seen := map[string]bool{}
	for _, event := range r.received {
		if event.status == http.StatusOK && !seen[event.ID] && (eventType == "" || event.Type == eventType) {
			seen[event.ID] = true
			taken = append(taken, event)
		}
	}
	return taken
}

func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.received...)
}

// await waits for an event of this type whose data has these fields, and returns it.
func (r *receiver) await(t *testing.T, eventType string, data map[string]any) received {
	t.Helper()
	var found received
	if !webhookd.Within(webhookd.Patience, func() bool {
		for _, event := range r.taken(eventType) {
			if hasFields(event.Data, data) {
				found = event
				return true
			}
		}
		return false
	}) {
		t.Fatalf("no %s with %v came; came: %v", eventType, data, r.bodies())
	}
	return found
}

func (r *receiver) bodies() string {
	var bodies []string
	for _, event := range r.requests() {
		bodies = append(bodies, event.body)
	}
	return strings.Join(bodies, "\n")
}

func hasFields(have, want map[string]any) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}
