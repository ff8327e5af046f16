// Package httpclient makes one attempt to deliver an event over HTTP, and says what the answer means.
package httpclient

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const (
	maxHeaderBytes  = 64 << 10         // of an answer's headers
	maxDrainBytes   = 64 << 10         // of an answer's body that is read, so that its connection serves again
	maxDrainTime    = time.Second      // that reading it may take
	idleConnTimeout = 90 * time.Second // after which an unused connection is closed
	keepAliveCheck  = 15 * time.Second // of silence, after which an HTTP/2 connection is pinged
)

// Client sends events to one endpoint, over connections of its own. Any number of goroutines may use it; with more than
// the endpoint's workers, some wait for a connection.
type Client struct {
	template  *http.Request
	transport *http.Transport
	timeout   time.Duration
}

// New makes the client of an endpoint that is valid (config.Config.Validate) and has inherited all it can
// (config.Webhook.Resolve). It opens nothing. It fails for a url that no request can reach; the error does not show it.
func New(endpoint config.Endpoint) (*Client, error) {
	template, err := newTemplate(endpoint)
	if err != nil {
		return nil, err
	}
	return &Client{template: template, transport: newTransport(endpoint), timeout: endpoint.Timeout}, nil
}

// Send makes one attempt, which ends with the endpoint's timeout or with ctx. What the endpoint answers decides as soon
// as the answer's headers are there: the body is read for at most one second and 64 KiB, and changes nothing.
func (c *Client) Send(ctx context.Context, id string, events []*messages.Envelope) Outcome {
	deadline := time.Now().Add(c.timeout)
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(c.timeout, cancel)
	defer timer.Stop()

	var progress progress
	response, err := c.transport.RoundTrip(newRequest(progress.trace(attempt), c.template, id, events[0].Body()))
	if err != nil {
		return failure(err, &progress, ctx.Err(), attempt.Err() != nil)
	}
	now := time.Now()
	timer.Reset(min(maxDrainTime, deadline.Sub(now)))
	drain(response)
	return interpret(response.StatusCode, response.Header, now)
}

// Close closes the connections that are idle, and gives up those being made that nobody waits for any more. A Send
// under way ends by itself; call Close after the last.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
}

func newTransport(endpoint config.Endpoint) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: endpoint.Timeout}).DialContext,
		TLSHandshakeTimeout:    endpoint.Timeout,
		DisableCompression:     true,
		MaxIdleConns:           endpoint.Workers,
		MaxIdleConnsPerHost:    endpoint.Workers,
		MaxConnsPerHost:        endpoint.Workers,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true, // as without a DialContext
		// All requests share an HTTP/2 connection, and a time-out ends a request but not the connection: when the other
		// side is gone for good, only a ping finds out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: keepAliveCheck, PingTimeout: endpoint.Timeout},
	}
}

// drain reads what is left of the answer, so that the connection can be used again; an answer that is too long or too
// slow costs the connection.
func drain(response *http.Response) {
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		return // the body is the bare connection
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxDrainBytes))
}
