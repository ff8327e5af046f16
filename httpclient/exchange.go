package httpclient

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/httpclient/format"
	"github.com/fluxmq/webhookd/messages"
)

const (
	maxDrainBytes = 64 << 10    // of an answer's body that is read, so that its connection serves again
	maxDrainTime  = time.Second // that reading it may take
)

// exchange sends one request and says what its answer means. An authorization that is empty leaves the endpoint's own.
func (c *Client) exchange(
	ctx context.Context, deadline time.Time, id string, content format.Content, authorization string,
) messages.Outcome {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(time.Until(deadline), cancel)
	defer timer.Stop()

	request := c.newRequest(attempt, id, content)
	if authorization != "" {
		request.Header["Authorization"] = []string{authorization}
	}
	transport := c.network.Acquire()
	defer transport.Release()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return failure(err, ctx.Err())
	}
	now := time.Now()
	timer.Reset(min(maxDrainTime, deadline.Sub(now)))
	drain(response)
	return interpret(response.StatusCode, response.Header, now)
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
