package format

import (
	"errors"
	"mime"

	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/messages"
)

const (
	binaryContentType   = "application/octet-stream"
	maxContentTypeBytes = 256
)

// rawFormat sends the payload of a message as it is, and in headers what else there is to say of the event. The
// Content-Type is what the publisher says, where that is a media type of at most 256 bytes.
func rawFormat(events []*messages.Envelope) (Content, error) {
	event, err := events[0].Event()
	if err != nil {
		return Content{}, err
	}
	published, ok := event.(*messages.MessagePublished)
	switch {
	case !ok:
		return Content{}, errors.New("format raw sends payloads, and only a message.published has one")
	case published.PayloadOmitted:
		return Content{}, errors.New("the payload was omitted: it is larger than max_payload_bytes")
	case len(published.Payload) == 0 && published.PayloadSize > 0:
		return Content{}, errors.New("the payload was left out: include_payload is off")
	}
	header := rawHeader(events[0], published)
	header["Content-Type"] = []string{binaryContentType}
	if isMediaType(published.ContentType) {
		header["Content-Type"] = []string{published.ContentType}
	}
	return Content{Header: header, Body: published.Payload}, nil
}

func isMediaType(text string) bool {
	if len(text) > maxContentTypeBytes || !httpguts.ValidHeaderFieldValue(text) {
		return false
	}
	_, _, err := mime.ParseMediaType(text)
	return err == nil
}
