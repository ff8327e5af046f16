package httpclient

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// Advice is one sentence on what an operator can do about the outcome; "" for a delivery.
func Advice(o messages.Outcome) string {
	switch {
	case o.Kind == messages.OutcomeDelivered:
		return ""
	case o.Kind == messages.OutcomeNotProcessed:
		return network.AdviceOnUnprocessed
	case o.Kind == messages.OutcomeLocal,
		errors.As(o.Err, new(*network.TokenError)), errors.As(o.Err, new(*network.DeniedError)):
		return network.Advice(o.Err, o.Sent)
	case o.Status != 0:
		return adviceOnAnswer(o)
	case o.Kind == messages.OutcomeRejected:
		return "the event can't be sent as it is, now or later: the error says why"
	case errors.Is(o.Err, context.Canceled):
		return "the attempt was called off here: nothing is known to be wrong with the endpoint"
	}
	return network.Advice(o.Err, o.Sent)
}

func adviceOnAnswer(o messages.Outcome) string {
	if advice := adviceOnRefusal(o); advice != "" {
		return advice
	}
	switch o.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the endpoint refuses the credentials: check auth and headers"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "nothing takes events at this address: check url and request"
	case http.StatusProxyAuthRequired:
		return network.AdviceOnProxyAuth
	case http.StatusRequestEntityTooLarge:
		return "the receiver refuses this event as too large: raise its limit or lower max_payload_bytes"
	case http.StatusTooManyRequests:
		return "the endpoint gets more than it takes: raise its limit, set rate_limit, or lower workers"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "the receiver is down or overloaded: check that it runs and what stands before it"
	}
	switch {
	case o.Status >= 300 && o.Status < 400:
		return "redirects are not followed: write the final address into url"
	case o.Kind == messages.OutcomeRejected:
		return "the receiver refuses this event: check what it expects"
	case o.Status >= 400 && o.Status < 600:
		return "the receiver failed at this event: look into its log"
	}
	return "the answer means nothing in HTTP: check that url leads to a receiver of webhooks"
}

// plainHTTPRefusals are words of servers that got HTTP where they speak TLS: nginx, Apache, Go, Tomcat.
var plainHTTPRefusals = []string{
	"plain http request was sent to https port", "speaking plain http to an ssl-enabled", "http request to an https server",
	"combination of host and port requires tls",
}

// adviceOnRefusal is what the words of a refusing answer, or the request, say beyond the status; "" for nothing.
func adviceOnRefusal(o messages.Outcome) string {
	if o.Status < 400 || o.Status > 403 {
		return ""
	}
	says := strings.ToLower(o.Answer)
	var answer *answerError
	signed := errors.As(o.Err, &answer) && answer.signed
	switch {
	case slices.ContainsFunc(plainHTTPRefusals, func(words string) bool { return strings.Contains(says, words) }):
		return "the endpoint speaks TLS at that port: write https:// into url"
	case strings.Contains(says, "certificate"):
		return "the endpoint wants another TLS certificate from us, or any: check tls.cert_file and tls.key_file"
	case signed && strings.Contains(says, "signature"):
		return "the endpoint refuses the signature: check secrets, and the clock here"
	case signed && o.Status == http.StatusUnauthorized:
		return "the endpoint refuses the credentials or the signature: check secrets, auth and headers, and the clock here"
	}
	return ""
}
