package httpserver

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/fluxmq/webhookd/internal/hosts"
)

// door hands the requests to a handler that are meant for it.
type door struct {
	handler http.Handler
	allowed hosts.Allowed
	log     *slog.Logger
}

// ServeHTTP implements http.Handler.
func (d door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := connectionOf(r.Context())
	waits := forHandler
	if r.Body != http.NoBody {
		unread := &body{r.Body, connection}
		r = r.WithContext(r.Context()) // net/http goes on to look at the other's Body
		r.Body, waits = unread, forClient
	}
	if !connection.wait(waits) {
		panic(http.ErrAbortHandler)
	}
	if err := d.allowed.Check(r); err != nil {
		d.refuse(w, r, err)
	} else {
		d.handler.ServeHTTP(w, r)
	}
	connection.wait(forClient)
}

func (d door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	d.log.Debug("a request is refused for its host or origin", "error", err, "remote_addr", r.RemoteAddr)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"problem": err.Error()}}) // who asked may be gone
}

// body is a request's, and notes when it is whole.
type body struct {
	io.ReadCloser
	connection *connection
}

// Read implements io.Reader. It fails where the connection gave way meanwhile.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !b.connection.wait(forHandler) {
		return n, net.ErrClosed
	}
	return n, err
}
