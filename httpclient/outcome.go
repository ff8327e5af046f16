package httpclient

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind is what an attempt means for its event and its endpoint.
type Kind uint8

const (
	Delivered Kind = iota + 1 // the endpoint took the event
	Rejected                  // the endpoint, which is alive, will never take it
	Failed                    // the endpoint failed at it, and may have seen it
	Away                      // the endpoint can't be reached, or takes nothing at present
)

// String is "delivered", "rejected", "failed" or "away"; any other Kind says so.
func (k Kind) String() string {
	switch k {
	case Delivered:
		return "delivered"
	case Rejected:
		return "rejected"
	case Failed:
		return "failed"
	case Away:
		return "away"
	}
	return fmt.Sprintf("invalid kind %d", uint8(k))
}

// Outcome is how one attempt ended.
type Outcome struct {
	Kind       Kind
	Status     int           // the answer's HTTP status; 0: no answer came
	Err        error         // why it is not Delivered; never shows a URL or a header; nil when Delivered
	Sent       bool          // whether the request may have reached the endpoint
	PauseAsked bool          // whether a 429 or a 503 came with a valid Retry-After
	Pause      time.Duration // how long it asks for, from the answer on: 0 or more, without an upper bound
}

// interpret says what an answer that came at now means.
func interpret(status int, header http.Header, now time.Time) Outcome {
	outcome := Outcome{Kind: kindOf(status), Status: status, Sent: true}
	if outcome.Kind != Delivered {
		outcome.Err = answerError(status)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		outcome.Pause, outcome.PauseAsked = ParseRetryAfter(header.Get("Retry-After"), now)
	}
	return outcome
}

func kindOf(status int) Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Away
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return Failed
	}
	switch status / 100 {
	case 2:
		return Delivered
	case 3:
		return Away
	case 4:
		return Rejected
	}
	return Failed
}

func answerError(status int) error {
	return errors.New("the endpoint answered " + statusText(status))
}
