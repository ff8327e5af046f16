// Package events is what the tests of several rooms need of events.
package events

import (
	"slices"
	"testing"

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
