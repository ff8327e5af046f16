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

	"github.com/fluxmq/webhookd/internal/hosts"
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
	MaxConnections int           // a new one takes the place of one that waits for its client
	AllowedHosts   []string      // which the server goes by besides those that hosts.Allowed knows
}

// Server is an HTTP server. Only Addr may be called while another of its methods runs.
type Server struct {
	settings    Settings
	log         *slog.Logger
	http        *http.Server
	connections *connections // nil before Start
	serving     sync.WaitGroup
}

// New prepares a server, and opens nothing. It fails for an address that is none.
func New(settings Settings, handler http.Handler, log *slog.Logger) (*Server, error) {
	if err := checkAddress(settings.Listen); err != nil {
		return nil, fmt.Errorf("listen address %q: %w", settings.Listen, err)
	}
	s := &Server{
		settings: settings,
		log:      log,
		http: &http.Server{
			Handler:           door{handler, hosts.NewAllowed(settings.Listen, settings.AllowedHosts), log},
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       settings.ReadTimeout,
			WriteTimeout:      settings.WriteTimeout,
			IdleTimeout:       settings.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
			ConnContext:       withConnection,
			ConnState:         noteIdle,
		},
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

// Start listens and takes requests until Close.
func (s *Server) Start() error {
	listener, err := net.Listen("tcp", s.settings.Listen)
	if err != nil {
		return fmt.Errorf("open the %s: %w", s.settings.Name, err)
	}
	s.connections = newConnections(listener.(*net.TCPListener), s.settings.MaxConnections)
	s.log.Info(s.settings.Name+" is open", "address", listener.Addr().String())
	s.serving.Go(func() {
		err := s.http.Serve(s.connections)
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error(s.settings.Name+" takes no more requests", "error", err)
		}
	})
	return nil
}

// Addr is where a started server listens; nil before Start.
func (s *Server) Addr() net.Addr {
	if s.connections == nil {
		return nil
	}
	return s.connections.Addr()
}

// Close stops taking requests and waits for those under way, for closeGrace and until ctx ends. Then it cuts their
// connections, which is no error: no client decides how a stop goes.
func (s *Server) Close(ctx context.Context) error {
	if s.connections != nil {
		s.connections.closeIdle() // Shutdown would wait five seconds for those that brought nothing yet
	}
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

func noteIdle(accepted net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		accepted.(*connection).wait(forRequest)
	}
}
