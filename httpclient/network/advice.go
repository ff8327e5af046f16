package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// AdviceOnProxyAuth is what an operator can do about a proxy that answers 407, to a request or to one for a tunnel.
const AdviceOnProxyAuth = "a proxy refuses the credentials: check the user and the password in proxy, or in the " +
	"environment's address of the proxy"

// Advice is one sentence on what an operator can do about a request that got no answer, or no token; sent tells whether a
// connection took it.
func Advice(err error, sent bool) string {
	var noToken *TokenError
	var denied *DeniedError
	var short *ShortageError
	switch {
	case errors.As(err, &short):
		return "nothing is wrong with the endpoint: " + short.of.advice
	case errors.As(err, &noToken):
		return adviceOnToken(noToken)
	case errors.As(err, &denied):
		return "nothing is sent to that address: check url and proxy, or write it into egress.allow if it is meant"
	case sent:
		return adviceOnBreak(err)
	}
	return adviceOnConnecting(err)
}

// AdviceOnUnprocessed is what an operator can do about a request that the server surely did nothing with.
const AdviceOnUnprocessed = "nothing is lost, it is sent again: if this is frequent, raise what the receiver, or what stands " +
	"before it, permits (HTTP/2 streams, requests a connection, the time that an idle connection is kept)"

func adviceOnBreak(err error) string {
	if timedOut(err) {
		return "the receiver is too slow: speed it up or raise timeout"
	}
	return "the connection broke: look into the log of the receiver, and of what stands before it"
}

func adviceOnConnecting(err error) string {
	var unresolved *net.DNSError
	var noTLS tls.RecordHeaderError
	var network *net.OpError
	var refusal proxyRefusal
	switch {
	case errors.As(err, &refusal) && int(refusal) == http.StatusProxyAuthRequired:
		return AdviceOnProxyAuth
	case errors.As(err, &refusal), errors.Is(err, errProxyAnswer):
		return "the proxy makes no connection to the endpoint: check url, proxy, and what the proxy permits"
	case errors.As(err, &network) && (network.Op == "proxyconnect" || strings.HasPrefix(network.Op, "socks")):
		return "the way through the proxy fails: check proxy, or the proxy in the environment, that it runs, and url"
	case errors.As(err, &unresolved):
		return "the host name can't be resolved: check url and the name servers"
	case timedOut(err):
		return "the endpoint can't be reached: check the network and the firewalls, or raise timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check that the receiver runs, and the port in url"
	case errors.As(err, &noTLS):
		return "the endpoint speaks no TLS: check the scheme and the port in url"
	}
	if advice := adviceOnTLS(err); advice != "" {
		return advice
	}
	return "the endpoint can't be reached: check url, the network and the proxies"
}

// adviceOnTLS is "" where the error is about something else.
func adviceOnTLS(err error) string {
	var untrusted *tls.CertificateVerificationError
	var otherName x509.HostnameError
	var invalid x509.CertificateInvalidError
	var uncertified *uncertifiedError
	switch {
	case errors.As(err, &otherName):
		return "the endpoint's certificate is not trusted, because it is for another name: check url, or write the name " +
			"that it has into tls.server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the endpoint's certificate is not trusted, because it, or its authority's in tls.ca_file, is out of date: " +
			"renew it, and check the clock here"
	case errors.As(err, &untrusted):
		return "the endpoint's certificate is not trusted: write that of the authority that issued it into tls.ca_file"
	case isAlert(err, versionAlerts), strings.Contains(errorText(err), "unsupported protocol version"):
		return "the endpoint speaks no version of TLS that we do: raise what it speaks, or lower tls.min_version"
	case isAlert(err, certificateAlerts), errors.As(err, &uncertified):
		return "the endpoint wants another certificate from us, or any: check tls.cert_file and tls.key_file"
	case isHandshakeAlert(err):
		return "the endpoint refuses the TLS handshake: look into its log, and check tls.min_version and tls.server_name"
	}
	return ""
}

// adviceOnToken names the keys of auth.oauth2, from which alone tokens are fetched.
func adviceOnToken(noToken *TokenError) string {
	var denied *DeniedError
	switch {
	case noToken.code == "invalid_client", noToken.code == "unauthorized_client":
		return "the token server refuses us: check auth.oauth2.client_id and auth.oauth2.client_secret"
	case noToken.code == "invalid_scope":
		return "the token server refuses the scopes: check auth.oauth2.scopes"
	case noToken.code != "":
		return "the token server refuses the request: check auth.oauth2.params and auth.oauth2.scopes"
	case errors.As(noToken, &denied):
		return "nothing is sent to that address: check auth.oauth2.token_url and proxy, or write it into egress.allow " +
			"if it is meant"
	}
	return "no token can be had: check auth.oauth2.token_url and that the token server runs; proxy, egress and " +
		"tls.ca_file hold for it, too"
}

func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}
