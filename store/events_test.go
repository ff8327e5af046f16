package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func newEvent(t testing.TB, id string) *messages.Envelope {
	return newEventOf(t, id, 1000)
}

// newEventOf makes an admitted event of this size in bytes, at least 400.
func newEventOf(t testing.TB, id string, size int) *messages.Envelope {
	t.Helper()
	admit := func(padding int) *messages.Envelope {
		payload := make([]byte, padding/4*3) // whose base64 has padding/4*4 bytes
		event := messages.NewEnvelope(&messages.MessagePublished{ClientID: strings.Repeat("c", padding%4), Payload: payload})
		event.ID = id
		require.NoError(t, event.Admit(messages.Admission{IncludePayload: true, MaxPayloadBytes: padding}, time.Unix(0, 0)))
		return event
	}
	event := admit(size - admit(0).Size())
	require.Equal(t, size, event.Size())
	return event
}
