package ingest

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

const path = "/v1/events"

// ServeHTTP answers one request: 202 with the ids of its events in their order, or why none of them was taken.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	envelopes, refused := s.readRequest(w, r)
	if refused == nil {
		refused = s.handOver(r.Context(), envelopes)
	}
	if refused != nil {
		s.log.Debug("ingest refused a request", "status", refused.status, "item", refused.Item, "field", refused.Field,
			"remote_addr", r.RemoteAddr)
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusAccepted, accepted{eventIDs(envelopes)})
}

type accepted struct {
	EventIDs []string `json:"event_ids"`
}

func eventIDs(envelopes []*messages.Envelope) []string {
	ids := make([]string, len(envelopes))
	for i, envelope := range envelopes {
		ids[i] = envelope.ID
	}
	return ids
}

// readRequest checks the request by its head before it reads a byte of the body.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request) ([]*messages.Envelope, *refusal) {
	switch {
	case r.URL.Path != path:
		return nil, &refusal{status: http.StatusNotFound, Problem: "events go to " + path}
	case r.Method != http.MethodPost:
		return nil, &refusal{status: http.StatusMethodNotAllowed, header: "Allow", value: http.MethodPost,
			Problem: "events are sent with POST"}
	}
	if refused := s.checkToken(r); refused != nil {
		return nil, refused
	}
	read, refused := readingOf(r.Header)
	if refused != nil {
		return nil, refused
	}
	return s.readBody(w, r, read)
}

func (s *Server) checkToken(r *http.Request) *refusal {
	if s.token == nil {
		return nil
	}
	if refused := s.token.Check(r); refused != nil {
		return &refusal{status: refused.Status, header: "WWW-Authenticate", value: refused.Challenge, Problem: refused.Problem}
	}
	return nil
}

func readingOf(header http.Header) (reading, *refusal) {
	if coding := strings.Join(header.Values("Content-Encoding"), ", "); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &refusal{status: http.StatusUnsupportedMediaType,
			header: "Accept-Encoding", value: "identity",
			Problem: "the body must have no Content-Encoding"}
	}
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := parameters["charset"]
	read, known := readings[mediaType]
	if err != nil || !known || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &refusal{status: http.StatusUnsupportedMediaType,
			header: "Accept", value: "application/json, application/x-ndjson",
			Problem: "Content-Type must be application/json or application/x-ndjson, in UTF-8"}
	}
	return read, nil
}

// readBody holds the body's bytes in the bound of all bodies while it reads.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, read reading) ([]*messages.Envelope, *refusal) {
	if r.ContentLength > s.maxBodyBytes {
		return nil, tooManyBytes(s.maxBodyBytes)
	}
	size := r.ContentLength
	if size < 0 {
		size = s.maxBodyBytes
	}
	if !s.bodies.TryAcquire(size) {
		return nil, later("too many requests at once")
	}
	defer s.bodies.Release(size)

	envelopes, err := readEvents(http.MaxBytesReader(w, r.Body, s.maxBodyBytes), read, s.maxEvents)
	if err != nil {
		return nil, refuseBody(err)
	}
	return envelopes, nil
}

func (s *Server) handOver(ctx context.Context, envelopes []*messages.Envelope) *refusal {
	err := s.router.NotifyAll(ctx, envelopes...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, messages.ErrQueueFull), errors.Is(err, messages.ErrClosed):
		return later(err.Error())
	case errors.Is(err, messages.ErrTooLarge):
		return tooLarge(err.Error())
	case ctx.Err() != nil:
		return later("the request was cancelled")
	}
	s.log.Error("ingest could not hand events over", "events", len(envelopes), "error", err)
	return &refusal{status: http.StatusInternalServerError, Problem: "the events could not be handed over"}
}
