package messages

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventOfEveryTypeIsRestoredThoughItWasNeverChecked(t *testing.T) {
	for _, eventType := range Types() {
		given := NewEnvelope(newEvent(eventType))
		given.ID = strings.Repeat("an id of a Go program ", 10)
		require.NoError(t, given.Admit(Admission{}, time.Unix(1, 2)))
		restored, err := RestoreEnvelope(given.Body())
		require.NoError(t, err, eventType)
		require.NoError(t, restored.Admit(Admission{BrokerID: "b", MaxPayloadBytes: 1}, time.Now()), "it was admitted")
		require.Equal(t, given.Size(), restored.Size())
		require.Equal(t, given.RoutingTopic(), restored.RoutingTopic())
		require.Equal(t, given.ID, restored.ID)
		require.True(t, given.Timestamp.Equal(restored.Timestamp))
		require.Equal(t, string(given.Body()), string(restored.Body()))
	}
}

func TestEventThatWouldNotBeTheSameIsNotRestored(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"event_type":"no.such","event_id":"e","data":{}}`,
		`{"event_type":"auth.success","event_id":"e"}`,
		`{"event_type":"auth.success","event_id":"e","data":null}`,
		`{"event_type":"auth.success","data":{}}`,
		`{"event_type":"auth.success","event_id":"e","data":{"later":1}}`,
		`{"event_type":"auth.success","event_id":"e","data":{},"later":1}`,
		`{"event_type":"auth.success","event_id":"e","data":{},"timestamp":"now"}`,
		`{"event_type":"auth.success","event_id":"e","data":{"client_id":1}}`,
	} {
		_, err := RestoreEnvelope([]byte(text))
		require.Error(t, err, text)
	}
}
