package format

import (
	"net/http"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

// maxCloudEventHeaderBytes is how long an attribute may be in a header. One that is longer, which only a subject can be, is
// left out: the data has it.
const maxCloudEventHeaderBytes = 8 << 10

// binaryCloudEventFormat sends the data of an event as it is, and in headers what else there is to say of it (CloudEvents 1.0,
// HTTP binding §3.1).
func binaryCloudEventFormat(events []*messages.Envelope) (Content, error) {
	attributes, err := cloudEventAttributes(events[0])
	if err != nil {
		return Content{}, err
	}
	header := contentTypeHeader(jsonContentType)
	for _, attribute := range attributes {
		if value := cloudEventHeaderValue(attribute.value); len(value) <= maxCloudEventHeaderBytes {
			header[http.CanonicalHeaderKey("ce-"+attribute.name)] = []string{value}
		}
	}
	return Content{Header: header, Body: cloudEventData(events[0])}, nil
}

// cloudEventHeaderValue percent-encodes what a header may not have, and the double quote (§3.1.3.2).
func cloudEventHeaderValue(text string) string {
	return strings.ReplaceAll(headerValue(text), `"`, "%22")
}
