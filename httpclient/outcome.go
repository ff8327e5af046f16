package httpclient

import (
	"errors"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// interpret says what an answer that came at now means.
func interpret(status int, header http.Header, now time.Time) messages.Outcome {
	outcome := messages.Outcome{Kind: kindOf(status), Status: status, Sent: true}
	if outcome.Kind != messages.OutcomeDelivered {
		outcome.Err = answerError(status)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		outcome.Pause, outcome.PauseAsked = ParseRetryAfter(header.Get("Retry-After"), now)
	}
	return outcome
}

func kindOf(status int) messages.OutcomeKind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return messages.OutcomeAway
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return messages.OutcomeFailed
	}
	switch status / 100 {
	case 2:
		return messages.OutcomeDelivered
	case 3:
		return messages.OutcomeAway
	case 4:
		return messages.OutcomeRejected
	}
	return messages.OutcomeFailed
}

func answerError(status int) error {
	return errors.New("the endpoint answered " + network.StatusText(status))
}
