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
		event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: strings.Repeat("c", padding)})
		event.ID = id
		require.NoError(t, event.Admit(messages.Admission{}, time.Unix(0, 0)))
		return event
	}
	event := admit(size - admit(0).Size())
	require.Equal(t, size, event.Size())
	return event
}

func newEvents(t testing.TB, ids ...string) []*messages.Envelope {
	t.Helper()
	var events []*messages.Envelope
	for _, id := range ids {
		events = append(events, newEvent(t, id))
	}
	return events
}
