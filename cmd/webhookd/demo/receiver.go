package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const maxBody = 16 << 20 // of a request

// The story of the flaky address, told again every cycle.
const (
	awayFrom  = 8 * time.Second
	awayUntil = 16 * time.Second
	cycle     = 30 * time.Second
)

// receiver is the demo's receiver of webhooks: it prints what arrives and how it answers.
type receiver struct {
	out      *lineWriter
	began    time.Time
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

	mu       sync.Mutex
	attempts map[string]int            // of each event that the flaky address has not taken yet
	events   int                       // that came to the flaky address
	well     bool                      // from now on
	taken    map[string]map[string]int // how often each payload was, by address
}

func startReceiver(out *lineWriter) (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the demo's receiver: %w", err)
	}
	r := &receiver{out: out, began: time.Now(), listener: listener, attempts: map[string]int{},
		taken: map[string]map[string]int{"steady": {}, "flaky": {}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /steady", r.steady)
	mux.HandleFunc("POST /flaky", r.flaky)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	r.serving.Go(func() { _ = r.server.Serve(listener) }) // until close
	return r, nil
}

func (r *receiver) url() string { return "http://" + r.listener.Addr().String() }

// recover makes the flaky address well for good.
func (r *receiver) recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.well = true
}

func (r *receiver) close() {
	_ = r.server.Shutdown(context.Background()) // it fails only when its context ends
	r.serving.Wait()
}

func (r *receiver) steady(w http.ResponseWriter, request *http.Request) {
	if event, ok := r.read(w, request); ok {
		r.take("steady", event)
		r.out.printf("steady  ✓ %s\n", event)
	}
}

func (r *receiver) flaky(w http.ResponseWriter, request *http.Request) {
	event, ok := r.read(w, request)
	if !ok {
		return
	}
	status, attempt := r.judge(event.ID)
	mark := "✓"
	if status != http.StatusOK {
		mark = fmt.Sprintf("✗ %d", status)
	}
	if status == http.StatusOK {
		r.take("flaky", event)
	}
	r.out.printf("flaky   %s %s, attempt %d\n", mark, event, attempt)
	w.WriteHeader(status)
}

func (r *receiver) judge(id string) (status, attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts[id] == 0 {
		r.events++
	}
	r.attempts[id]++
	attempt = r.attempts[id]
	now := time.Since(r.began) % cycle
	switch {
	case r.well:
	case now >= awayFrom && now < awayUntil:
		return http.StatusServiceUnavailable, attempt
	case attempt == 1 && r.events%4 == 0:
		return http.StatusInternalServerError, attempt
	}
	delete(r.attempts, id)
	return http.StatusOK, attempt
}

func (r *receiver) take(address string, event shownEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if event.Data.Topic == topic {
		r.taken[address][string(event.Data.Payload)]++
	}
}

// count tells how many of the payloads did not come to the address, and how many came more than once.
func (r *receiver) count(address string, payloads []string) (missing, again int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, payload := range payloads {
		switch n := r.taken[address][payload]; {
		case n == 0:
			missing++
		case n > 1:
			again++
		}
	}
	return missing, again
}

// shownEvent is what the demo shows of an event.
type shownEvent struct {
	Type string `json:"event_type"`
	ID   string `json:"event_id"`
	Data struct {
		ClientID    string `json:"client_id"`
		Topic       string `json:"topic"`
		TopicFilter string `json:"topic_filter"`
		Payload     []byte `json:"payload"`
	} `json:"data"`
}

func (e shownEvent) String() string {
	text := fmt.Sprintf("%s %.8s…", e.Type, e.ID)
	for _, detail := range []string{e.Data.ClientID, e.Data.Topic + e.Data.TopicFilter, string(e.Data.Payload)} {
		if detail != "" {
			text += fmt.Sprintf(" %q", detail)
		}
	}
	return text
}

func (r *receiver) read(w http.ResponseWriter, request *http.Request) (event shownEvent, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if err = errors.Join(err, json.Unmarshal(body, &event)); err != nil {
		http.Error(w, "this is no event", http.StatusBadRequest)
		return event, false
	}
	return event, true
}
