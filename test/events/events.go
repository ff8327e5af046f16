// Package events is what the tests of several rooms need of events.
package events

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// OfEveryType returns the events, among which there must be one of each type: so none that comes new is left out.
func OfEveryType(t testing.TB, events ...messages.Event) []messages.Event {
	t.Helper()
	for _, eventType := range messages.Types() {
		require.True(t, slices.ContainsFunc(events, func(event messages.Event) bool { return event.EventType() == eventType }),
			"there is no %s among the events", eventType)
	}
	return events
}

// Sized makes an admitted event of the class and of this size in bytes, at least 400.
func Sized(t testing.TB, class messages.Class, id string, size int) *messages.Envelope {
	t.Helper()
	typed := map[messages.Class]func(padding int) messages.Event{
		messages.ClassMessage: func(padding int) messages.Event {
			payload := make([]byte, padding/4*3) // whose base64 has padding/4*4 bytes
			return &messages.MessagePublished{ClientID: strings.Repeat("c", padding%4), Payload: payload}
		},
		messages.ClassClient: func(padding int) messages.Event {
			return &messages.ClientDisconnected{ClientID: strings.Repeat("c", padding)}
		},
		messages.ClassAuth: func(padding int) messages.Event {
			return &messages.AuthSuccess{ClientID: strings.Repeat("c", padding)}
		},
	}[class]
	admit := func(padding int) *messages.Envelope {
		event := messages.NewEnvelope(typed(padding))
		event.ID = id
		require.NoError(t, event.Admit(messages.Admission{IncludePayload: true, MaxPayloadBytes: padding}, time.Unix(0, 0)))
		return event
	}
	event := admit(size - admit(0).Size())
	require.Equal(t, size, event.Size())
	return event
}
