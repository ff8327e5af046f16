package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

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
func withToken(ctx context.Context, deadline time.Time, tokens network.Tokens, attempt func(authorization string) messages.Outcome) messages.Outcome {
	held, err := tokens.Token(ctx, deadline)
	if err != nil {
		return withoutToken(ctx, err)
	}
	outcome := attempt(held.Authorization)
	if outcome.Status != http.StatusUnauthorized {
		return outcome
	}
	other, err := tokens.Replace(ctx, deadline, held)
	switch {
	case isShortage(err):
		return withoutToken(ctx, err)
	case err != nil:
		outcome.Err = fmt.Errorf("%w, and %w", outcome.Err, err)
		return outcome
	case other.Authorization == held.Authorization:
		return outcome
	}
	if second := attempt(other.Authorization); second.Sent {
		return second
	}
	return outcome
}

// withoutToken is the outcome of an attempt that had nothing to show to the endpoint, and sent nothing.
func withoutToken(ctx context.Context, err error) messages.Outcome {
	if ctx.Err() != nil {
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: fmt.Errorf("the attempt was cut short: %w", ctx.Err())}
	}
	if isShortage(err) {
		return messages.Outcome{Kind: messages.OutcomeLocal, Err: err}
	}
	return messages.Outcome{Kind: messages.OutcomeAway, Err: err}
}
