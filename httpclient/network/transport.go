package network

import (
	"net/http"
	"sync"
	"time"
)

// becomesIdle is the time after which a connection whose answer was read is sure to be idle.
const becomesIdle = time.Second

// connections are those to one server: made as the TLS files are now, and those made before a change that are in use.
type connections struct {
	identity *reloading[tlsIdentity]
	open     func(*tlsIdentity) *http.Transport

	mutex   sync.Mutex
	current *Transport
}

// Transport makes the connections of one state of the TLS files.
type Transport struct {
	http     *http.Transport
	identity *tlsIdentity
	of       *connections
	users    int // guarded by the connections' mutex
}

func newConnections(identity *reloading[tlsIdentity], open func(*tlsIdentity) *http.Transport) *connections {
	c := &connections{identity: identity, open: open}
	c.current = c.newTransport()
	return c
}

func (c *connections) newTransport() *Transport {
	identity := c.identity.latest()
	return &Transport{http: c.open(identity), identity: identity, of: c}
}

// acquire is for one request and its answer; release the transport afterwards.
func (c *connections) acquire() *Transport {
	c.identity.reloadIfDue()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.current.identity != c.identity.latest() {
		c.current.http.CloseIdleConnections()
		c.current = c.newTransport()
	}
	c.current.users++
	return c.current
}

func (c *connections) closeIdle() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.current.http.CloseIdleConnections()
}

// RoundTrip sends the request, and gives the answer once its headers are there. It fails with an *Error.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	var progress progress
	answer, err := t.http.RoundTrip(request.WithContext(progress.trace(ctx)))
	if err != nil {
		progress.certified.Store(t.identity.asked.Load())
		return nil, newError(err, &progress, ctx.Err() != nil)
	}
	return answer, nil
}

// Release ends the use of the transport. After a change of the TLS files, the last one to do so closes its connections.
func (t *Transport) Release() {
	t.of.mutex.Lock()
	defer t.of.mutex.Unlock()
	t.users--
	if t != t.of.current && t.users == 0 {
		time.AfterFunc(becomesIdle, t.http.CloseIdleConnections)
	}
}
