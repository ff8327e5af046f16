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
	defer response.Body.Close()
	outcome := c.answers.interpret(response.StatusCode, response.Header, now)
	if response.StatusCode == http.StatusSwitchingProtocols {
		return outcome // the body is the bare connection
	}
	if outcome.Kind != messages.OutcomeDelivered {
		outcome.Answer = c.answers.readExcerpt(response, authorization)
	}
	drain(response.Body)
	return outcome
}

// drain reads what is left of an answer, so that its connection can be used again. One that is too long or too slow costs
// the connection, or, with HTTP/2, its stream and what the server goes on sending for it.
func drain(body io.Reader) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrainBytes))
}
