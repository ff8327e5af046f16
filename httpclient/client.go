package httpclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format"
	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// Client sends events to one endpoint, over connections of its own. Any number of goroutines may use it; with more than
// the endpoint's workers, some wait for a connection.
type Client struct {
	format     format.Format
	template   *http.Request
	signer     signer
	compressor compressor
	network    *network.Network
	answers    answers
	timeout    time.Duration
}

// New makes the client of an endpoint that is valid (config.Config.Validate) and has inherited all it can
// (config.Webhook.Resolve). It reads the endpoint's files, and dials nobody. It fails for a url that no request can reach,
// and with a config.KeyError for each key whose value is of no use, joined; the error shows neither a url nor a secret.
// The log is told of files that change later.
func New(endpoint config.Endpoint, log *slog.Logger) (*Client, error) {
	address, err := parseAddress(endpoint.URL)
	if err != nil {
		return nil, err
	}
	format, formatErr := format.New(endpoint, address)
	signer, signerErr := newSigner(endpoint.Secrets)
	network, networkErr := network.New(endpoint, address, log.With("endpoint", endpoint.Name))
	if err := errors.Join(formatErr, signerErr, networkErr); err != nil {
		if network != nil {
			network.Close()
		}
		return nil, err
	}
	template := newTemplate(endpoint, address)
	return &Client{
		format:     format,
		template:   template,
		signer:     signer,
		compressor: compressor(endpoint.Compression),
		network:    network,
		answers:    newAnswers(endpoint, secretsOf(endpoint, address, template).With(network.Secrets()...)),
		timeout:    endpoint.Timeout,
	}, nil
}

// Send makes one attempt, which ends with the endpoint's timeout or with ctx. What the endpoint answers decides as soon
// as the answer's headers are there: the body is read for at most one second and 64 KiB, and changes nothing. Where the
// endpoint refuses a token that changes (auth.bearer_file, auth.oauth2) with a 401, and there is another one, the request
// is sent once more within the attempt.
func (c *Client) Send(ctx context.Context, id string, events []*messages.Envelope) messages.Outcome {
	content, err := c.format(events)
	if err != nil {
		return messages.Outcome{Kind: messages.OutcomeRejected, Err: fmt.Errorf("build the request: %w", err)}
	}
	deadline := time.Now().Add(c.timeout)
	tokens := c.network.Tokens()
	if tokens == nil {
		return c.exchange(ctx, deadline, id, content, "")
	}
	return withToken(ctx, deadline, tokens, func(authorization string) messages.Outcome {
		return c.exchange(ctx, deadline, id, content, authorization)
	})
}

// Close closes the connections that are idle, gives up those being made that nobody waits for any more, and ends what
// fetches a token. A Send under way ends by itself; call Close after the last.
func (c *Client) Close() {
	c.network.Close()
}
