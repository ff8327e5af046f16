package httpclient

import (
	"github.com/fluxmq/webhookd/messages"
)

const jsonContentType = "application/json"

// fluxmqFormat sends an event's JSON as it is, whose bytes all endpoints and attempts share, or an array of several.
func fluxmqFormat(batches bool) format {
	if !batches {
		return func(events []*messages.Envelope) (content, error) {
			return content{body: events[0].Body()}, nil
		}
	}
	return func(events []*messages.Envelope) (content, error) {
		bodies, size := make([][]byte, len(events)), 0
		for i, event := range events {
			bodies[i] = event.Body()
			size += len(bodies[i]) + len(",")
		}
		array := make([]byte, 0, len("[")+size)
		for i, body := range bodies {
			array = append(append(array, opening(i)), body...)
		}
		return content{body: append(array, ']')}, nil
	}
}

// opening is what stands before the item of a JSON array.
func opening(item int) byte {
	if item == 0 {
		return '['
	}
	return ','
}
