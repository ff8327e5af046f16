package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/fluxmq/webhookd/config"
)

// guard lets nobody through but who shows admin.token.
type guard struct {
	token *[sha256.Size]byte // nil: nobody passes
}

func newGuard(token config.Secret) guard {
	if token == "" {
		return guard{}
	}
	digest := sha256.Sum256([]byte(token))
	return guard{&digest}
}

// protect makes a door that checks the token before anything else.
func (g guard) protect(door func(http.ResponseWriter, *http.Request) *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		refused := g.check(r)
		if refused == nil {
			refused = door(w, r)
		}
		if refused != nil {
			refused.write(w)
		}
	}
}

// check compares digests, so that the time it takes tells neither the token nor its length. It answers by RFC 6750 §3: an
// error code only to who showed a token.
func (g guard) check(r *http.Request) *refusal {
	if g.token == nil {
		return &refusal{status: http.StatusForbidden,
			Problem: "this needs a bearer token, and none is configured: set admin.token"}
	}
	refused := &refusal{status: http.StatusUnauthorized, challenge: `Bearer realm="webhookd"`}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		refused.Problem = "a bearer token is required: that of admin.token"
		return refused
	}
	digest := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	if subtle.ConstantTimeCompare(digest[:], g.token[:]) == 1 {
		return nil
	}
	refused.challenge += `, error="invalid_token"`
	refused.Problem = "the bearer token is not that of admin.token"
	return refused
}
