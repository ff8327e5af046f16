// Package httpserver is the life of an HTTP server that others reach from outside: prepared, started, bounded, closed.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	readHeaderTimeout = 5 * time.Second
	maxHeaderBytes    = 16 << 10
	closeGrace        = 2 * time.Second // less than sources have before the drain
)

// Settings are what differs from server to server.
type Settings struct {
	Name           string // as the log calls it: "ingest"
	Listen         string
	ReadTimeout    time.Duration // of a request, its body included
	WriteTimeout   time.Duration // counted like ReadTimeout
	IdleTimeout    time.Duration // between two requests of a connection
	MaxConnections int           // more wait in the kernel until one closes
}

// Server is an HTTP server. Only Addr may be called while another of its methods runs.
type Server struct {
	settings Settings
	log      *slog.Logger
	http     *http.Server
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex
	unused  map[net.Conn]struct{} // connections that brought no request yet
	closing bool
}

// New prepares a server, and opens nothing. It fails for an address that is none.
func New(settings Settings, handler http.Handler, log *slog.Logger) (*Server, error) {
	if err := checkAddress(settings.Listen); err != nil {
		return nil, fmt.Errorf("listen address %q: %w", settings.Listen, err)
	}
	s := &Server{
		settings: settings,
		log:      log,
		unused:   map[net.Conn]struct{}{},
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       settings.ReadTimeout,
			WriteTimeout:      settings.WriteTimeout,
			IdleTimeout:       settings.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	s.http.ConnState = s.note
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

// Start listens and takes requests until Close.
func (s *Server) Start() error {
	listener, err := net.Listen("tcp", s.settings.Listen)
	if err != nil {
		return fmt.Errorf("open the %s: %w", s.settings.Name, err)
	}
	s.listener = listener
	s.log.Info(s.settings.Name+" is open", "address", listener.Addr().String())
	s.serving.Go(func() {
		err := s.http.Serve(netutil.LimitListener(listener, s.settings.MaxConnections))
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error(s.settings.Name+" takes no more requests", "error", err)
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

// Close stops taking requests and waits for those under way, for closeGrace and until ctx ends. Then it cuts their
// connections, which is no error: no client decides how a stop goes.
func (s *Server) Close(ctx context.Context) error {
	s.closeUnused()
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil && ctx.Err() != nil {
		s.log.Warn(s.settings.Name + " cut requests that did not end in time")
		err = s.http.Close()
	}
	s.serving.Wait()
	return err
}

// closeUnused closes the connections for which Shutdown would wait five seconds, in case a request comes.
func (s *Server) closeUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for connection := range s.unused {
		_ = connection.Close() // nobody is told anything on it
	}
}

func (s *Server) note(connection net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.unused, connection)
	case s.closing:
		_ = connection.Close()
	default:
		s.unused[connection] = struct{}{}
	}
}
