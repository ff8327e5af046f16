package template

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

const testKey = "template.body"

// loaded is a template for events of a type, which it was tried on.
func loaded(text string, eventType messages.Type) (*Template, error) {
	compiled, err := Parse(testKey, text, MaxBytes, nil)
	if err != nil {
		return nil, err
	}
	return compiled, compiled.Try([]messages.Type{eventType}, func([]byte) error { return nil })
}

// renderedOf is what the template makes of the event, twice the same: before and after the event is held as JSON.
func renderedOf(t testing.TB, text string, event messages.Event) (string, error) {
	t.Helper()
	compiled, err := loaded(text, event.EventType())
	require.NoError(t, err)
	envelope := messages.NewEnvelope(event)
	admission := messages.Admission{BrokerID: "broker-1", IncludePayload: true, MaxPayloadBytes: 1 << 20}
	require.NoError(t, envelope.Admit(admission, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
	dot, err := Event(envelope)
	require.NoError(t, err)
	rendered, renderErr := compiled.RenderText(dot)
	envelope.Body()
	dot, err = Event(envelope)
	require.NoError(t, err)
	again, againErr := compiled.RenderText(dot)
	require.Equal(t, rendered, again)
	require.Equal(t, renderErr == nil, againErr == nil)
	return rendered, renderErr
}

func published(topic string) *messages.MessagePublished {
	return &messages.MessagePublished{ClientID: "pump-7", Topic: topic, QoS: 1, Payload: []byte(`{"t":21.5}`)}
}
