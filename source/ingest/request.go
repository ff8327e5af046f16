package ingest

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

const path = "/v1/events"

// ServeHTTP answers one request: 202 with the ids of its events in their order when they are safe, or why they are not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	envelopes, refused := s.serve(w, r)
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

// serve checks the request by its head before it reads a byte of the body.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) ([]*messages.Envelope, *refusal) {
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
	if r.ContentLength > s.maxBodyBytes {
		return nil, tooManyBytes(s.maxBodyBytes)
	}
	return s.takeBody(w, r, read)
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

// takeBody gives the body's room back when its events are safe, or when the router took none.
func (s *Server) takeBody(w http.ResponseWriter, r *http.Request, read reading) ([]*messages.Envelope, *refusal) {
	control := http.NewResponseController(w)
	share := s.room.enter(func() { _ = control.SetReadDeadline(time.Now()) }) // fails where the connection is closed
	defer share.leave()
	envelopes, err := s.readBody(w, r, read, share)
	if err != nil {
		return nil, refuseBody(err)
	}
	return envelopes, s.handOver(r.Context(), control, envelopes)
}

func (s *Server) readBody(w http.ResponseWriter, r *http.Request, read reading, share *share) ([]*messages.Envelope, error) {
	arrival := arrival{
		body:    http.MaxBytesReader(w, r.Body, s.maxBodyBytes),
		share:   share,
		control: http.NewResponseController(w),
		piece:   s.pieceTimeout,
		end:     time.Now().Add(readTimeout),
	}
	announced := r.ContentLength
	if announced < 0 {
		announced = s.maxBodyBytes
	}
	body, err := arrival.read(announced)
	if err != nil {
		return nil, err
	}
	return readEvents(body, read, s.maxEvents, share.take)
}
