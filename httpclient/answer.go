package httpclient

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/internal/excerpt"
	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// answers says what the answers of an endpoint mean.
type answers struct {
	signed        bool // the requests are
	urlOfEvent    bool // each event has a URL of its own: where there is nothing, the event may be why
	methodOfEvent bool
	secrets       excerpt.Secrets
}

func newAnswers(endpoint config.Endpoint, secrets excerpt.Secrets) answers {
	a := answers{signed: len(endpoint.Secrets) > 0, secrets: secrets}
	a.methodOfEvent = isTemplated(endpoint.Request.Method)
	a.urlOfEvent = isTemplated(endpoint.Request.Path)
	for _, value := range endpoint.Request.Query {
		a.urlOfEvent = a.urlOfEvent || isTemplated(value)
	}
	return a
}

func isTemplated(text string) bool { return strings.Contains(text, "{{") }

// interpret says what an answer that came at now means.
func (a answers) interpret(status int, header http.Header, now time.Time) messages.Outcome {
	outcome := messages.Outcome{Kind: a.kindOf(status), Status: status, Sent: true}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		outcome.Pause, outcome.PauseAsked = ParseRetryAfter(header.Get("Retry-After"), now)
	}
	if outcome.PauseAsked {
		outcome.Kind = messages.OutcomeThrottled
	}
	if outcome.Kind != messages.OutcomeDelivered {
		outcome.Err = &answerError{status, a.signed}
	}
	return outcome
}

func (a answers) kindOf(status int) messages.OutcomeKind {
	switch status {
	case http.StatusTooManyRequests:
		return messages.OutcomeThrottled
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		if a.urlOfEvent || a.methodOfEvent && status == http.StatusMethodNotAllowed {
			return messages.OutcomeRejected
		}
		return messages.OutcomeAway
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
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

// readExcerpt shows the beginning of a refusing answer, without the request's authorization. What is compressed, which
// nobody asked for, says nothing.
func (a answers) readExcerpt(answer *http.Response, authorization string) string {
	if answer.Header.Get("Content-Encoding") != "" {
		return ""
	}
	secrets := a.secrets.With(headerSecrets(authorization)...)
	text, _ := io.ReadAll(io.LimitReader(answer.Body, int64(secrets.Needed())))
	return secrets.Of(text)
}

// answerError is an answer that is no delivery.
type answerError struct {
	status int
	signed bool // the request was
}

func (e *answerError) Error() string { return "the endpoint answered " + network.StatusText(e.status) }
