package network

import (
	"context"
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// Tokens are credentials that change while the program runs: those of auth.bearer_file and auth.oauth2.
type Tokens interface {
	// Token is what to send now. It waits for one until the deadline, or the end of ctx, and fails with a *TokenError.
	Token(ctx context.Context, deadline time.Time) (*Token, error)
	// Replace is Token after the endpoint refused one. Where nothing newer can be had, it gives one with the same text. It may
	// fail with a *ShortageError, too.
	Replace(ctx context.Context, deadline time.Time, refused *Token) (*Token, error)
	close()
}

// Token is the value of an Authorization header, while it lasts.
type Token struct {
	Authorization string

	renew, end time.Time // zero: it has no end that is known
}

// newTokens is nil where the endpoint's credentials never change.
func newTokens(
	endpoint config.Endpoint, dialer *Dialer, identity *reloading[tlsIdentity], log *slog.Logger,
) (Tokens, error) {
	switch auth := endpoint.Auth; {
	case auth == nil:
		return nil, nil
	case auth.BearerFile != "":
		return newBearerFile(string(auth.BearerFile), log)
	case auth.OAuth2 != nil:
		return newOAuth2Tokens(endpoint, dialer, identity)
	}
	return nil, nil
}
