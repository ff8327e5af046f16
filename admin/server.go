// Package admin is the operator's side over HTTP.
//
// GET /healthz, GET /readyz and GET /metrics are open to whoever reaches the address, and show no event. All else needs
// the header "Authorization: Bearer TOKEN" with admin.token, and is refused with 403 where none is configured:
//
//   - GET /v1/dead-letters lists dead letters without their events, the oldest first. Its parameters are endpoint, type
//     (an event type), since and until (RFC 3339), error (a part of the last error or the reason), ids (1 to 100, with commas
//     between), limit (1 to 1000, 100 by default) and after (the "next" of an earlier answer).
//   - GET /v1/dead-letters/{id} shows one, with its event.
//   - POST /v1/dead-letters/replay replays those that a JSON object chooses: with ids (1 to 1000), endpoint, type, since,
//     until and error, of which each that is there has to match; {} chooses all. What is there but empty is refused. With
//     "dry_run": true it counts them only, and "per_second" (0.1 to 1000000) is how many go out in a second. After half a
//     minute it answers "more": true, and is to be asked again with the "until" of its answer.
//   - POST /v1/dead-letters/delete deletes those that such an object chooses, or counts them.
//   - POST /v1/dead-letters/export writes them with their events, each as a line of JSON.
//
// Every door refuses with 403 what is for a host that admin.allowed_hosts lacks, or for a page of another site: see
// hosts.Allowed.
//
// What is not done is answered with {"error": {"field": …, "problem": …}}. A look through the dead letters may take two
// minutes, and ends with 503 after that; a replay and a deletion then say in "result" what they did.
package admin

import (
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/internal/httpserver"
	"github.com/fluxmq/webhookd/router"
)

const (
	readTimeout    = 10 * time.Second // no request has a large body
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute // so that a scrape a minute needs no new connection
	maxConnections = 256
)

// Server is the operator's side.
type Server struct {
	*httpserver.Server
	registry *prometheus.Registry
	ready    atomic.Bool
	failing  func() bool // the store
}

// New prepares a server that shows what the router did; it opens nothing. It fails for an address that is none, and for
// a version that is no UTF-8.
func New(cfg config.Admin, handle *router.Handle, version string, log *slog.Logger) (*Server, error) {
	registry, err := newRegistry(handle, version)
	if err != nil {
		return nil, err
	}
	s := &Server{registry: registry, failing: handle.StoreFails}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.answerHealth)
	mux.HandleFunc("GET /readyz", s.answerReadiness)
	letters, guard := deadLetters{handle, log}, newGuard(cfg.Token)
	mux.HandleFunc("GET /v1/dead-letters", guard.protect(letters.list))
	mux.HandleFunc("GET /v1/dead-letters/{id}", guard.protect(letters.show))
	mux.HandleFunc("POST /v1/dead-letters/replay", guard.protect(letters.replay))
	mux.HandleFunc("POST /v1/dead-letters/delete", guard.protect(letters.remove))
	mux.HandleFunc("POST /v1/dead-letters/export", guard.protect(letters.export))
	mux.Handle("GET /metrics", newMetricsHandler(registry, slog.NewLogLogger(log.Handler(), slog.LevelWarn)))
	s.Server, err = httpserver.New(httpserver.Settings{
		Name:           "admin side",
		Listen:         cfg.Listen,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxConnections: maxConnections,
		AllowedHosts:   cfg.AllowedHosts,
	}, mux, log)
	return s, err
}

// SetReady says whether events are taken: true once all sources are open, false when the shutdown begins. It may be
// called from any goroutine.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

func (s *Server) answerHealth(w http.ResponseWriter, _ *http.Request) {
	answerText(w, http.StatusOK, "ok")
}

func (s *Server) answerReadiness(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		answerText(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	if s.failing() {
		answerText(w, http.StatusServiceUnavailable, "not ready: the store keeps nothing at present")
		return
	}
	answerText(w, http.StatusOK, "ready")
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // who asked may be gone
}
