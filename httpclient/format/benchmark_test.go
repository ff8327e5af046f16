package format

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// BenchmarkFormats is the price of making what one request carries; fluxmq is what the others are to be compared with. An
// event that is encoded, as it is once an endpoint of format fluxmq or cloudevents sent it, has to be read again for a
// template or for raw.
func BenchmarkFormats(b *testing.B) {
	const template = `{"text": {{printf "%s: %s" .data.client_id .data.topic | json}}, "at": {{json .timestamp}}}`
	raw := rawEndpoint("http://receiver.example")
	cloudEvents := endpointAt("http://receiver.example")
	cloudEvents.Format = config.FormatCloudEvents
	addressed := endpointAt("http://receiver.example")
	addressed.Request.Path = "/clients/{{.data.client_id}}"
	addressed.Events = []string{"message.published"}
	batched := endpointAt("http://receiver.example")
	batched.Batch.MaxEvents = 10
	for _, size := range []int{64, 16 << 10} {
		for _, c := range []struct {
			name     string
			endpoint config.Endpoint
		}{
			{"fluxmq", endpointAt("http://receiver.example")}, {"fluxmq_batch_of_1", batched}, {"fluxmq_with_path", addressed},
			{"cloudevents", cloudEvents}, {"template", templated(template, "message.published")}, {"raw", raw},
		} {
			for _, encoded := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/payload=%d/encoded=%t", c.name, size, encoded), func(b *testing.B) {
					format, err := newFormat(c.endpoint)
					require.NoError(b, err)
					events := []*messages.Envelope{newEvent(b, size)}
					if encoded {
						events[0].Body()
					}
					b.ReportAllocs()
					for b.Loop() {
						if _, err := format(events); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
