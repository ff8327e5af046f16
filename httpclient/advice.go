package httpclient

import (
	"context"
	"errors"
	"net/http"

	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// Advice is one sentence on what an operator can do about the outcome; "" for a delivery.
func Advice(o messages.Outcome) string {
	switch {
	case o.Kind == messages.OutcomeDelivered:
		return ""
	case errors.As(o.Err, new(*network.TokenError)), errors.As(o.Err, new(*network.DeniedError)):
		return network.Advice(o.Err, o.Sent)
	case o.Status != 0:
		return adviceOnStatus(o.Status)
	case o.Kind == messages.OutcomeRejected:
		return "the event can't be sent as it is, now or later: the error says why"
	case errors.Is(o.Err, context.Canceled):
		return "the attempt was called off here: nothing is known to be wrong with the endpoint"
	}
	return network.Advice(o.Err, o.Sent)
}

func adviceOnStatus(status int) string {
	switch status {
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
	case status >= 300 && status < 400:
		return "redirects are not followed: write the final address into url"
	case kindOf(status) == messages.OutcomeRejected:
		return "the receiver refuses this event: check what it expects"
	case status >= 400 && status < 600:
		return "the receiver failed at this event: look into its log"
	}
	return "the answer means nothing in HTTP: check that url leads to a receiver of webhooks"
}
