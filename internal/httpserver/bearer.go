package httpserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Bearer is the token that requests have to show (RFC 6750 §2.1).
type Bearer struct {
	digest [sha256.Size]byte // so that the time of a comparison tells neither the token nor its length
}

// BearerRefusal is the answer to a request that does not show the token.
type BearerRefusal struct {
	Status    int
	Challenge string // for WWW-Authenticate: "" for none, and an error code only to who showed a token (RFC 6750 §3)
	Problem   string
}

// NewBearer checks for this token; "" gives nil.
func NewBearer(token string) *Bearer {
	if token == "" {
		return nil
	}
	return &Bearer{sha256.Sum256([]byte(token))}
}

// Check is nil for a request that shows the token.
func (b *Bearer) Check(r *http.Request) *BearerRefusal {
	const challenge = `Bearer realm="webhookd"`
	given := r.Header["Authorization"]
	if len(given) > 1 { // a proxy may have checked another one than is checked here
		return &BearerRefusal{http.StatusBadRequest, "", "the header Authorization is there twice"}
	}
	scheme, token, _ := strings.Cut(strings.Join(given, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return &BearerRefusal{http.StatusUnauthorized, challenge, "a bearer token is required"}
	}
	digest := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	if subtle.ConstantTimeCompare(digest[:], b.digest[:]) == 1 {
		return nil
	}
	return &BearerRefusal{http.StatusUnauthorized, challenge + `, error="invalid_token"`, "the bearer token is wrong"}
}
