// Package admin is the operator's side over HTTP: GET /healthz, GET /readyz and GET /metrics. They are open to whoever
// reaches the address, and show no event.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // of a request; none needs a body
	writeTimeout      = 30 * time.Second // counted like readTimeout
	idleTimeout       = 2 * time.Minute  // between two requests of a connection, so that a scrape a minute needs no new one
	maxHeaderBytes    = 16 << 10
	maxConnections    = 256 // more wait in the kernel until one closes
)

// Server is the operator's side.
type Server struct {
	listen string
	log    *slog.Logger
	ready  atomic.Bool

	http     *http.Server
	listener net.Listener
	serving  sync.WaitGroup
}

// New prepares a server that shows what the router did; it opens nothing. It fails for an address that is none, and for
// a version that is no UTF-8.
func New(cfg config.Admin, handle *router.Handle, version string, log *slog.Logger) (*Server, error) {
	if err := checkAddress(cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen address %q: %w", cfg.Listen, err)
	}
	registry, err := newRegistry(handle, version)
	if err != nil {
		return nil, err
	}
	s := &Server{listen: cfg.Listen, log: log}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	doors := http.NewServeMux()
	doors.HandleFunc("GET /healthz", s.answerHealth)
	doors.HandleFunc("GET /readyz", s.answerReadiness)
	doors.Handle("GET /metrics", newMetricsHandler(registry, errorLog))
	s.http = &http.Server{
		Handler:           doors,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          errorLog,
	}
	return s, nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	_, err = net.LookupPort("tcp", port)
	return err
}

// Start listens and takes requests until Close. /readyz answers 503 until SetReady.
func (s *Server) Start() error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("open the admin side: %w", err)
	}
	s.listener = listener
	s.log.Info("admin side is open", "address", listener.Addr().String())
	s.serving.Go(func() {
		if err := s.http.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("admin side takes no more requests", "error", err)
		}
	})
	return nil
}

// Addr is where a started server listens; nil before Start.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// SetReady says whether events are taken: true once all sources are open, false when the shutdown begins. It may be
// called from any goroutine.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Close stops taking requests and waits for those under way. When ctx ends first, it cuts their connections and returns
// ctx's error.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("wait for the requests under way: %w", err), s.http.Close())
	}
	s.serving.Wait()
	return err
}

func (s *Server) answerHealth(w http.ResponseWriter, _ *http.Request) {
	answerText(w, http.StatusOK, "ok")
}

func (s *Server) answerReadiness(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		answerText(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	answerText(w, http.StatusOK, "ready")
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // who asked may be gone
}
