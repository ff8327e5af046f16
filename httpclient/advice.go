package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// Advice is one sentence on what an operator can do about the outcome; "" for a delivery.
func (o Outcome) Advice() string {
	switch {
	case o.Kind == Delivered:
		return ""
	case o.Status != 0:
		return adviceOnStatus(o.Status)
	case o.Kind == Rejected:
		return "the event can't be sent as it is, now or later: the error says why"
	case errors.Is(o.Err, context.Canceled):
		return "the attempt was called off here: nothing is known to be wrong with the endpoint"
	case o.Sent:
		return adviceOnBreak(o.Err)
	}
	return adviceOnConnecting(o.Err)
}

func adviceOnStatus(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the endpoint refuses the credentials: check headers"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "nothing takes events at this address: check url"
	case http.StatusProxyAuthRequired:
		return "a proxy refuses the credentials: check the proxy's address in the environment"
	case http.StatusRequestEntityTooLarge:
		return "the receiver refuses this event as too large: raise its limit or lower max_payload_bytes"
	case http.StatusTooManyRequests:
		return "the endpoint gets more than it takes: raise its limit or lower workers"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "the receiver is down or overloaded: check that it runs and what stands before it"
	}
	switch {
	case status >= 300 && status < 400:
		return "redirects are not followed: write the final address into url"
	case kindOf(status) == Rejected:
		return "the receiver refuses this event: check what it expects"
	case status >= 400 && status < 600:
		return "the receiver failed at this event: look into its log"
	}
	return "the answer means nothing in HTTP: check that url leads to a receiver of webhooks"
}

func adviceOnBreak(err error) string {
	if timedOut(err) {
		return "the receiver is too slow: speed it up or raise timeout"
	}
	return "the connection broke: look into the log of the receiver, and of what stands before it"
}

func adviceOnConnecting(err error) string {
	var unresolved *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &unresolved):
		return "the host name can't be resolved: check url and the name servers"
	case timedOut(err):
		return "the endpoint can't be reached: check the network and the firewalls, or raise timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check that the receiver runs, and the port in url"
	case errors.As(err, &untrusted):
		return "the endpoint's certificate is not trusted: check its name, its dates and the system's certificate authorities"
	case errors.As(err, &noTLS):
		return "the endpoint speaks no TLS: check the scheme and the port in url"
	}
	return "the endpoint can't be reached: check url, the network and the proxies"
}

func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}
