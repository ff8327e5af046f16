package network

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/fluxmq/webhookd/config"
)

const (
	maxHeaderBytes  = 64 << 10         // of an answer's headers
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
	dial := dialer.dial
	if target.Scheme == "https" {
		dial = hearingAlerts(dial)
	}
	return route{dial, proxy, endpoint.Workers, endpoint.Timeout}, err
}

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
		HTTP2: &http.HTTP2Config{SendPingTimeout: keepAliveCheck, PingTimeout: r.timeout},
	}
	if r.proxy != nil {
		r.useProxy(transport, toProxy)
	}
	return transport
}
