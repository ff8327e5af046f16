package httpclient

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// content is what one request carries of its events. The same events give the same content at each attempt.
type content struct {
	method string      // "": the endpoint's, which is POST
	url    *url.URL    // nil: the endpoint's
	header http.Header // in canonical form; gives way to a header that the endpoint has
	body   []byte      // which nobody may change
}

// format makes the content of a request, from one event where the endpoint does not batch. An error is final: the same
// events never make a request.
type format func(events []*messages.Envelope) (content, error)

// newFormat finds the format of an endpoint, and the Content-Type of its bodies where all have the same. It fails for
// templates that can't be used, with a *config.KeyError for each.
func newFormat(endpoint config.Endpoint) (format, string, error) {
	body, contentType, bodyErr := newBodyFormat(endpoint)
	format, targetErr := withTarget(body, endpoint)
	return format, contentType, errors.Join(bodyErr, targetErr)
}

func newBodyFormat(endpoint config.Endpoint) (format, string, error) {
	batches := endpoint.Batch.Batches()
	switch endpoint.Format {
	case config.FormatCloudEvents:
		format, contentType := cloudEventsFormat(batches)
		return format, contentType, nil
	case config.FormatTemplate:
		return templateFormat(endpoint)
	case config.FormatRaw:
		return rawFormat, "", nil
	}
	return fluxmqFormat(batches), jsonContentType, nil
}
