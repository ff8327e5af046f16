package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestConfigurationThatLacksAnEndpointCostsNothingOfWhatItHolds(t *testing.T) {
	t.Parallel()
	away, other := newReceiver(t), newReceiver(t)
	away.answers(func(int, received) int { return http.StatusServiceUnavailable })
	dir := t.TempDir()
	whole := webhookd.ReplayConfig(dir, quick,
		"- {name: away, url: '"+away.URL+"'}\n", "- {name: other, url: '"+other.URL+"', topic_filters: [none]}\n")
	first := webhookd.Run(t, whole)
	first.Post("t", 1, 500)
	first.TerminateAndExpect(0)

	half := webhookd.Run(t, webhookd.ReplayConfig(dir, quick, "- {name: other, url: '"+other.URL+"', topic_filters: [none]}\n"))
	warning := half.Await("the configuration lacks an endpoint that holds events: they are kept until its name is back")
	require.Equal(t, "away", warning["endpoint"])
	require.Equal(t, 500, warning.Number("events"))
	require.Equal(t, 500.0, half.Metric(`webhookd_absent_endpoint_held_events{endpoint="away"}`))
	half.TerminateAndExpect(0)

	away.answers(func(int, received) int { return http.StatusOK })
	next := webhookd.Run(t, whole)
	requireAll(t, away, 500)
	require.Zero(t, next.Metric(`webhookd_absent_endpoint_held_events{endpoint="away"}`))
	require.Equal(t, 500.0, next.Metric(`webhookd_endpoint_accepted_events_total{endpoint="away",origin="store"}`))
	require.Empty(t, next.ListDeadLetters())
	next.TerminateAndExpect(0)
}
