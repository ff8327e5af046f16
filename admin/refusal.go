package admin

import (
	"encoding/json"
	"net/http"
)

// refusal is why a request is not done, as its sender is told: {"error": {"problem": "…"}}, with the field or parameter to
// blame where there is one. The problem continues a sentence that begins with it.
type refusal struct {
	status    int
	challenge string // WWW-Authenticate
	result    any    // what was done before

	Field   string `json:"field,omitempty"`
	Problem string `json:"problem"`
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.challenge != "" {
		w.Header().Set("WWW-Authenticate", r.challenge)
	}
	if r.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, r.status, struct {
		Error  *refusal `json:"error"`
		Result any      `json:"result,omitempty"`
	}{r, r.result})
}

func badField(field, problem string) *refusal {
	return &refusal{status: http.StatusBadRequest, Field: field, Problem: problem}
}

// writeJSON ignores a broken connection: nobody is left to be told.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // it shows events
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer)
}
