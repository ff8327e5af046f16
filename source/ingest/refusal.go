package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// refusal is why a request is not taken, as its sender is told: {"error": {"problem": "…"}}, with the item, its line
// and its field where one event is to blame. The problem continues a sentence that begins with the field or the item.
type refusal struct {
	status        int
	header, value string // of the answer, where its status asks for one
	cause         error

	Item    int    `json:"item,omitempty"`  // counted from 1
	Line    int    `json:"line,omitempty"`  // of NDJSON, counted from 1
	Field   string `json:"field,omitempty"` // as a path: "data.topic"
	Problem string `json:"problem"`
}

func (r *refusal) Error() string {
	return r.Problem
}

func (r *refusal) Unwrap() error {
	return r.cause
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.value != "" {
		w.Header().Set(r.header, r.value)
	}
	writeJSON(w, r.status, struct {
		Error *refusal `json:"error"`
	}{r})
}

func badBody(problem string) *refusal {
	return &refusal{status: http.StatusBadRequest, Problem: problem}
}

// later refuses what may be sent again in a second.
func later(problem string) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, header: "Retry-After", value: "1", Problem: problem}
}

func tooLarge(problem string) *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, Problem: problem}
}

func tooManyBytes(limit int64) *refusal {
	return tooLarge(fmt.Sprintf("the body has more than %d bytes", limit))
}

// refuseBody says why a body was not read to its end.
func refuseBody(err error) *refusal {
	var refused *refusal
	var overLimit *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errNoRoom):
		return later(err.Error())
	case errors.Is(err, errTooLarge):
		return tooLarge(err.Error())
	case errors.As(err, &overLimit):
		return tooManyBytes(overLimit.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, Problem: "the body did not arrive in time"}
	}
	return badBody("the body can't be read")
}

// writeJSON ignores a broken connection: nobody is left to be told.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer)
}
