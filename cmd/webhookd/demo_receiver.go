package main

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

// The story of the flaky address, told again every cycle.
const (
	demoAwayFrom  = 8 * time.Second
	demoAwayUntil = 16 * time.Second
	demoCycle     = 30 * time.Second
)

// demoReceiver is the demo's receiver of webhooks: it prints what arrives and how it answers.
type demoReceiver struct {
	out      *lineWriter
	began    time.Time
	listener net.Listener
	server   *http.Server
	served   chan error

	mu       sync.Mutex
	attempts map[string]int // of each event that the flaky address has not taken yet
	events   int            // that came to the flaky address
	well     bool           // from now on
}

func startDemoReceiver(out *lineWriter) (*demoReceiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the demo's receiver: %w", err)
	}
	r := &demoReceiver{out: out, began: time.Now(), listener: listener, served: make(chan error, 1), attempts: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /steady", r.steady)
	mux.HandleFunc("POST /flaky", r.flaky)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { r.served <- r.server.Serve(listener) }()
	return r, nil
}

func (r *demoReceiver) url() string { return "http://" + r.listener.Addr().String() }

// recover makes the flaky address well for good.
func (r *demoReceiver) recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.well = true
}

func (r *demoReceiver) close() {
	_ = r.server.Shutdown(context.Background()) // it fails only when its context ends
	<-r.served
}

func (r *demoReceiver) steady(w http.ResponseWriter, request *http.Request) {
	if event, ok := r.read(w, request); ok {
		r.out.printf("steady  ✓ %s\n", event)
	}
}

func (r *demoReceiver) flaky(w http.ResponseWriter, request *http.Request) {
	event, ok := r.read(w, request)
	if !ok {
		return
	}
	status, attempt := r.judge(event.ID)
	mark := "✓"
	if status != http.StatusOK {
		mark = fmt.Sprintf("✗ %d", status)
	}
	r.out.printf("flaky   %s %s, attempt %d\n", mark, event, attempt)
	w.WriteHeader(status)
}

func (r *demoReceiver) judge(id string) (status, attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts[id] == 0 {
		r.events++
	}
	r.attempts[id]++
	attempt = r.attempts[id]
	now := time.Since(r.began) % demoCycle
	switch {
	case r.well:
	case now >= demoAwayFrom && now < demoAwayUntil:
		return http.StatusServiceUnavailable, attempt
	case attempt == 1 && r.events%4 == 0:
		return http.StatusInternalServerError, attempt
	}
	delete(r.attempts, id)
	return http.StatusOK, attempt
}

// demoEvent is what the demo shows of an event.
type demoEvent struct {
	Type string `json:"event_type"`
	ID   string `json:"event_id"`
	Data struct {
		ClientID    string `json:"client_id"`
		Topic       string `json:"topic"`
		TopicFilter string `json:"topic_filter"`
		Payload     []byte `json:"payload"`
	} `json:"data"`
}

func (e demoEvent) String() string {
	text := fmt.Sprintf("%s %.8s…", e.Type, e.ID)
	for _, detail := range []string{e.Data.ClientID, e.Data.Topic + e.Data.TopicFilter, string(e.Data.Payload)} {
		if detail != "" {
			text += fmt.Sprintf(" %q", detail)
		}
	}
	return text
}

func (r *demoReceiver) read(w http.ResponseWriter, request *http.Request) (event demoEvent, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxListenBody))
	if err = errors.Join(err, json.Unmarshal(body, &event)); err != nil {
		http.Error(w, "this is no event", http.StatusBadRequest)
		return event, false
	}
	return event, true
}
