package actors

import (
	"testing"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

func newEvent(t testing.TB, id string) *messages.Envelope {
	t.Helper()
	return events.Sized(t, messages.ClassMessage, id, 1000)
}

func newEvents(t testing.TB, ids ...string) []*messages.Envelope {
	t.Helper()
	var events []*messages.Envelope
	for _, id := range ids {
		events = append(events, newEvent(t, id))
	}
	return events
}
