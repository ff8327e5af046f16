package httpclient

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
)

const (
	maxHeaderBytes  = 64 << 10         // of an answer's headers
	idleConnTimeout = 90 * time.Second // after which an unused connection is closed
	keepAliveCheck  = 15 * time.Second // of silence, after which an HTTP/2 connection is pinged
	becomesIdle     = time.Second      // after which a connection whose answer was read is sure to be idle
)

// route is how requests to one server get out.
type route struct {
	dial        dialFunc
	proxy       *url.URL // nil: none
	connections int
	timeout     time.Duration
}

func newRoute(endpoint config.Endpoint, dialer *guardedDialer, target *url.URL) (route, error) {
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

// connections are those to one server: made as the TLS files are now, and those made before a change that are in use.
type connections struct {
	identity *reloading[tlsIdentity]
	open     func(*tlsIdentity) *http.Transport

	mutex   sync.Mutex
	current *generation
}

// generation is the connections that were made with one state of the TLS files.
type generation struct {
	*http.Transport
	identity *tlsIdentity
	users    int
}

func newConnections(identity *reloading[tlsIdentity], open func(*tlsIdentity) *http.Transport) *connections {
	c := &connections{identity: identity, open: open}
	c.current = c.newGeneration()
	return c
}

func (c *connections) newGeneration() *generation {
	identity := c.identity.latest()
	return &generation{Transport: c.open(identity), identity: identity}
}

// acquire is for one request and its answer; release it afterwards.
func (c *connections) acquire() *generation {
	c.identity.look()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.current.identity != c.identity.latest() {
		c.current.CloseIdleConnections()
		c.current = c.newGeneration()
	}
	c.current.users++
	return c.current
}

func (c *connections) release(g *generation) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	g.users--
	if g != c.current && g.users == 0 {
		time.AfterFunc(becomesIdle, g.CloseIdleConnections)
	}
}

func (c *connections) closeIdle() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.current.CloseIdleConnections()
}
