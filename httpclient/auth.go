package httpclient

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// tokens are credentials that change while the program runs.
type tokens interface {
	// token is what to send now. It waits for one until the deadline, or the end of ctx.
	token(ctx context.Context, deadline time.Time) (*token, error)
	// replace is token after the endpoint refused one. Where nothing newer can be had, it gives one with the same text.
	replace(ctx context.Context, deadline time.Time, refused *token) (*token, error)
	close()
}

// token is the value of an Authorization header, while it lasts.
type token struct {
	authorization string
	renew, end    time.Time // zero: it has no end that is known
}

// newTokens is nil where the endpoint's credentials never change.
func newTokens(
	endpoint config.Endpoint, dialer *guardedDialer, identity *reloading[tlsIdentity], log *slog.Logger,
) (tokens, error) {
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

// setAuth sets the credentials that never change.
func setAuth(template *http.Request, auth *config.Auth) {
	switch {
	case auth == nil:
	case auth.Basic != nil:
		template.SetBasicAuth(auth.Basic.Username, string(auth.Basic.Password)) // RFC 7617
	case auth.Bearer != "":
		template.Header["Authorization"] = []string{"Bearer " + string(auth.Bearer)} // RFC 6750 §2.1
	}
}

// withToken makes an attempt with a token. Where the endpoint refuses it with a 401, and there is another one now, the
// attempt is made once more with that.
func withToken(ctx context.Context, deadline time.Time, tokens tokens, attempt func(authorization string) messages.Outcome) messages.Outcome {
	held, err := tokens.token(ctx, deadline)
	if err != nil {
		return withoutToken(ctx, err)
	}
	outcome := attempt(held.authorization)
	if outcome.Status != http.StatusUnauthorized {
		return outcome
	}
	other, err := tokens.replace(ctx, deadline, held)
	if err != nil {
		outcome.Err = fmt.Errorf("%w, and %w", outcome.Err, err)
		return outcome
	}
	if other.authorization == held.authorization {
		return outcome
	}
	if second := attempt(other.authorization); second.Sent {
		return second
	}
	return outcome
}

// withoutToken is the outcome of an attempt that had nothing to show to the endpoint, and sent nothing.
func withoutToken(ctx context.Context, err error) messages.Outcome {
	if ctx.Err() != nil {
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: fmt.Errorf("the attempt was cut short: %w", ctx.Err())}
	}
	return messages.Outcome{Kind: messages.OutcomeAway, Err: err}
}
