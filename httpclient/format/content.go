package format

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// Content is what one request carries of its events. Nobody may change its header and its body, which other requests may
// share.
type Content struct {
	Method string      // "": the endpoint's, which is POST
	URL    *url.URL    // nil: the endpoint's
	Header http.Header // in canonical form, with a Content-Type; gives way to a header that the endpoint has
	Body   []byte
}

// Format makes the content of a request, from one event where the endpoint does not batch. An error is final: the same
// events never make a request. Any number of goroutines may call it.
type Format func(events []*messages.Envelope) (Content, error)

// New makes the format of an endpoint that has inherited all it can (config.Webhook.Resolve) and whose url is address. It
// fails for templates that can't be used, with a *config.KeyError for each, joined.
func New(endpoint config.Endpoint, address *url.URL) (Format, error) {
	body, bodyErr := newBodyFormat(endpoint)
	format, targetErr := withTarget(body, endpoint, address)
	return format, errors.Join(bodyErr, targetErr)
}

func newBodyFormat(endpoint config.Endpoint) (Format, error) {
	batches := endpoint.Batch.Batches()
	switch endpoint.Format {
	case config.FormatCloudEvents:
		return cloudEventsFormat(batches), nil
	case config.FormatCloudEventsBinary:
		return binaryCloudEventFormat, nil
	case config.FormatTemplate:
		return templateFormat(endpoint)
	case config.FormatRaw:
		return rawFormat, nil
	}
	return fluxmqFormat(batches), nil
}

// contentTypeHeader is a header that all requests of a format share.
func contentTypeHeader(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}}
}
