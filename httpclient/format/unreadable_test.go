package format

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// An event that is held as JSON is read again by the formats that look into it.
func TestEventThatCanNotBeReadIsAnError(t *testing.T) {
	cloudEvents, binary, raw := endpointAt("http://receiver.example"), endpointAt("http://receiver.example"), rawEndpoint("http://receiver.example")
	cloudEvents.Format, binary.Format = config.FormatCloudEvents, config.FormatCloudEventsBinary
	batched, targeted := cloudEvents, endpointAt("http://receiver.example")
	batched.Batch.MaxEvents = 2
	targeted.Request.Method = "PUT"
	connected, message := &messages.ClientConnected{ClientID: "c"}, published("t")
	for name, test := range map[string]struct {
		endpoint config.Endpoint
		event    messages.Event
	}{
		"cloudevents":        {cloudEvents, connected},
		"cloudevents_binary": {binary, connected},
		"cloudevents batch":  {batched, connected},
		"raw":                {raw, message},
		"template":           {templated("{}"), message},
		"request":            {targeted, message},
	} {
		t.Run(name, func(t *testing.T) {
			event := admitted(t, test.event)
			clear(event.Body())
			_, err := contentOf(t, test.endpoint, event)
			require.ErrorContains(t, err, "read an encoded event")
		})
	}
}
