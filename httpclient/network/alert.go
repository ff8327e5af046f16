package network

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
)

// Alerts by which a server ends a handshake: RFC 8446 §6.2.
var (
	certificateAlerts = []tls.AlertError{
		42,  // bad_certificate
		43,  // unsupported_certificate
		44,  // certificate_revoked
		45,  // certificate_expired
		46,  // certificate_unknown
		48,  // unknown_ca
		49,  // access_denied
		116, // certificate_required
	}
	versionAlerts = []tls.AlertError{70}                   // protocol_version
	otherAlerts   = []tls.AlertError{40, 51, 71, 112, 120} // as handshake_failure
)

// isHandshakeAlert tells whether the server ended the handshake. In TLS 1.3 that may come when our side of it is done and
// the request is under way; but a server reads nothing of that before.
func isHandshakeAlert(err error) bool {
	return isAlert(err, certificateAlerts) || isAlert(err, versionAlerts) || isAlert(err, otherAlerts)
}

// isAlert tells whether the other side sent one of the alerts. The type that crypto/tls has for them is its own; only
// their texts are public.
func isAlert(err error, alerts []tls.AlertError) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	return slices.ContainsFunc(alerts, func(alert tls.AlertError) bool { return alert.Error() == remote.Err.Error() })
}

// isUnestablished tells whether an HTTP/2 connection ended before a request was put on it. net/http has no value for it,
// and no word on the reason, which may be an alert.
func isUnestablished(err error) bool {
	return strings.Contains(err.Error(), "client conn could not be established")
}

// uncertifiedError is that no connection came about to a server that wants a certificate.
type uncertifiedError struct{ err error }

func (e *uncertifiedError) Error() string {
	return e.err.Error() + " (the endpoint asked for a client certificate)"
}
func (e *uncertifiedError) Unwrap() error { return e.err }
