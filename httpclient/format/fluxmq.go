package format

import (
	"github.com/fluxmq/webhookd/messages"
)

const jsonContentType = "application/json"

// fluxmqFormat sends an event's JSON as it is, whose bytes all endpoints and attempts share, or an array of several.
func fluxmqFormat(batches bool) Format {
	header := contentTypeHeader(jsonContentType)
	if !batches {
		return func(events []*messages.Envelope) (Content, error) {
			return Content{Header: header, Body: events[0].Body()}, nil
		}
	}
	return func(events []*messages.Envelope) (Content, error) {
		bodies, size := make([][]byte, len(events)), 0
		for i, event := range events {
			bodies[i] = event.Body()
			size += len(bodies[i]) + len(",")
		}
		array := make([]byte, 0, len("[")+size)
		for i, body := range bodies {
			array = append(append(array, opening(i)), body...)
		}
		return Content{Header: header, Body: append(array, ']')}, nil
	}
}

// opening is what stands before the item of a JSON array.
func opening(item int) byte {
	if item == 0 {
		return '['
	}
	return ','
}
