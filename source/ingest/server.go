// Package ingest takes events over HTTP: POST /v1/events with one event, a JSON array of events or NDJSON, each in the
// form in which webhookd sends events.
package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // of a request, its body included
	writeTimeout      = 35 * time.Second // counted like readTimeout, so that a late body still gets its answer
	idleTimeout       = 60 * time.Second // between two requests of a connection
	maxHeaderBytes    = 16 << 10
	maxConnections    = 1024 // more wait in the kernel until one closes
	maxMaxBodyBytes   = 1 << 30
	bodiesAtOnce      = 16 // bodies of the full size that may be read at one time; of smaller ones as many as have its bytes
)

// Router takes events in. NotifyAll takes all of them or none, and before it returns nil has given each its identity.
// It fails with messages.ErrQueueFull, messages.ErrTooLarge or messages.ErrClosed.
type Router interface {
	NotifyAll(ctx context.Context, envelopes ...*messages.Envelope) error
}

// Server is the ingest.
type Server struct {
	listen       string
	token        *[sha256.Size]byte // nil: everybody may send
	maxBodyBytes int64
	maxEvents    int
	router       Router
	log          *slog.Logger

	bodies   *semaphore.Weighted // in bytes
	http     *http.Server
	listener net.Listener
	serving  sync.WaitGroup
}

// New prepares a server that hands events to the router; it opens nothing. A request may bring up to queueSize events.
// It fails for an address that is none, for a MaxBodyBytes outside 1 to 1 GiB, and for a queueSize under 1.
func New(cfg config.Ingest, queueSize int, router Router, log *slog.Logger) (*Server, error) {
	if err := checkAddress(cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen address %q: %w", cfg.Listen, err)
	}
	if cfg.MaxBodyBytes < 1 || cfg.MaxBodyBytes > maxMaxBodyBytes {
		return nil, fmt.Errorf("a body of up to %d bytes: not 1 to %d", cfg.MaxBodyBytes, maxMaxBodyBytes)
	}
	if queueSize < 1 {
		return nil, fmt.Errorf("a queue of %d events takes none", queueSize)
	}
	s := &Server{
		listen:       cfg.Listen,
		maxBodyBytes: int64(cfg.MaxBodyBytes),
		maxEvents:    queueSize,
		router:       router,
		log:          log,
		bodies:       semaphore.NewWeighted(bodiesAtOnce * int64(cfg.MaxBodyBytes)),
	}
	if cfg.Token != "" {
		digest := sha256.Sum256([]byte(cfg.Token))
		s.token = &digest
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
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
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("open the ingest: %w", err)
	}
	s.listener = listener
	s.log.Info("ingest is open", "address", listener.Addr().String())
	s.serving.Go(func() {
		if err := s.http.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("ingest takes no more requests", "error", err)
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

// Close stops taking requests and waits for those under way. When ctx ends first, it cuts their connections and returns
// ctx's error; what a cut request had not handed over is not taken.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("wait for the requests under way: %w", err), s.http.Close())
	}
	s.serving.Wait()
	return err
}
