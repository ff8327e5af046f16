package admin

import (
	"net/http"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/internal/httpserver"
)

// guard lets nobody through but who shows admin.token.
type guard struct {
	token *httpserver.Bearer // nil: nobody passes
}

func newGuard(token config.Secret) guard {
	return guard{httpserver.NewBearer(string(token))}
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

func (g guard) check(r *http.Request) *refusal {
	if g.token == nil {
		return &refusal{status: http.StatusForbidden,
			Problem: "this needs a bearer token, and none is configured: set admin.token"}
	}
	if refused := g.token.Check(r); refused != nil {
		return &refusal{status: refused.Status, challenge: refused.Challenge, Problem: refused.Problem + ": show admin.token"}
	}
	return nil
}
