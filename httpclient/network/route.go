package network

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
)

const (
	maxHeaderBytes  = 64 << 10         // of an answer's headers
	maxAnswerBytes  = 64 << 10         // of an answer's body, on its way at once
	idleConnTimeout = 90 * time.Second // after which an unused connection is closed
	keepAliveCheck  = 15 * time.Second // of silence, after which an HTTP/2 connection is pinged
)

// route is how requests to one server get out.
type route struct {
	dial        DialFunc
	proxy       *url.URL // nil: none
	connections int
	timeout     time.Duration
}

func newRoute(endpoint config.Endpoint, dialer *Dialer, target *url.URL) (route, error) {
	proxy, err := proxyTo(target, endpoint.Proxy)
	secured := target.Scheme == "https" || proxy != nil && proxy.Scheme == "https"
	if secured && endpoint.TLS.CAFile == "" {
		loadSystemRoots()
	}
	return route{watching(dialer.dial, endpoint.Workers), proxy, endpoint.Workers, endpoint.Timeout}, err
}

// loadSystemRoots reads the authorities that the system trusts while there are files to be opened. crypto/x509 tries it once:
// where that comes too late, nothing is trusted until the program is started anew.
var loadSystemRoots = sync.OnceFunc(func() { _, _ = x509.SystemCertPool() })

func (r route) newTransport(toServer, toProxy *tls.Config) *http.Transport {
	transport := &http.Transport{
		DialContext:            r.dial,
		TLSClientConfig:        toServer,
		TLSHandshakeTimeout:    r.timeout,
		DisableCompression:     true,
		MaxIdleConns:           r.connections,
		MaxIdleConnsPerHost:    r.connections,
		MaxConnsPerHost:        r.connections,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true, // as without a DialContext
		// All requests share an HTTP/2 connection, and a time-out ends a request but not the connection: when the other
		// side is gone for good, only a ping finds out.
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: keepAliveCheck,
			PingTimeout:     r.timeout,
			// More than is read of an answer would be sent in vain.
			MaxReceiveBufferPerStream: maxAnswerBytes,
			// Without it, net/http makes connection after connection to a server that permits no streams at present.
			StrictMaxConcurrentRequests: true,
		},
	}
	if r.proxy != nil {
		r.useProxy(transport, toProxy)
	}
	return transport
}
