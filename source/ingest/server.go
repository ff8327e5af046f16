// Package ingest takes events over HTTP: POST /v1/events with one event, a JSON array of events or NDJSON, each in the
// form in which webhookd sends events.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/internal/httpserver"
	"github.com/fluxmq/webhookd/messages"
)

const (
	readTimeout     = 30 * time.Second
	writeTimeout    = 35 * time.Second // longer than readTimeout, so that a late body still gets its answer
	idleTimeout     = 60 * time.Second
	maxConnections  = 1024
	maxMaxBodyBytes = 1 << 30
)

// Router takes events in. NotifySafe takes all of them or none, and before it returns nil has given each its identity:
// when all are safe. It fails with messages.ErrQueueFull, messages.ErrTooLarge, messages.ErrUnavailable or
// messages.ErrClosed, and when ctx ends.
type Router interface {
	NotifySafe(ctx context.Context, envelopes ...*messages.Envelope) error
}

// Server is the ingest.
type Server struct {
	*httpserver.Server
	token          *httpserver.Bearer // nil: everybody may send
	maxBodyBytes   int64
	maxEvents      int
	router         Router
	log            *slog.Logger
	room           *room
	pieceTimeout   time.Duration
	receiptTimeout time.Duration
	closing        context.Context // ends when no request may wait for its events any more
	close          context.CancelFunc
}

// New prepares a server that hands events to the router; it opens nothing. A request may bring up to queueSize events.
// It fails for an address that is none, for a MaxBodyBytes outside 1 to 1 GiB, and for a queueSize under 1.
func New(cfg config.Ingest, queueSize int, router Router, log *slog.Logger) (*Server, error) {
	if cfg.MaxBodyBytes < 1 || cfg.MaxBodyBytes > maxMaxBodyBytes {
		return nil, fmt.Errorf("a body of up to %d bytes: not 1 to %d", cfg.MaxBodyBytes, maxMaxBodyBytes)
	}
	if queueSize < 1 {
		return nil, fmt.Errorf("a queue of %d events takes none", queueSize)
	}
	s := &Server{
		token:          httpserver.NewBearer(string(cfg.Token)),
		maxBodyBytes:   int64(cfg.MaxBodyBytes),
		maxEvents:      queueSize,
		router:         router,
		log:            log,
		room:           newRoom(roomBytes(int64(cfg.MaxBodyBytes))),
		pieceTimeout:   pieceTimeout,
		receiptTimeout: receiptTimeout,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	var err error
	s.Server, err = httpserver.New(settings(cfg), s, log)
	return s, err
}

// roomBytes are those of all bodies together. One body may take half of them: its own bytes, as many again for its events'
// texts, as many again for what its events take beside them, and a little where bodies are small.
func roomBytes(maxBodyBytes int64) int64 {
	return 2 * (3*maxBodyBytes + 1<<20)
}

func settings(cfg config.Ingest) httpserver.Settings {
	return httpserver.Settings{
		Name:           "ingest",
		Listen:         cfg.Listen,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxConnections: maxConnections,
		AllowedHosts:   cfg.AllowedHosts,
	}
}
