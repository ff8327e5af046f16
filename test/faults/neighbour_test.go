package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestHealthyEndpointFeelsNothingOfANeighbour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		that    string
		url     func(*testing.T) string
		outcome string // of every attempt
		says    string // the error in the log
	}{
		{"never answers", broken(neverAnswer), "failed", "no answer within timeout"},
		{"sends its headers a byte a second", broken(trickle("HTTP/1.1 200 OK\r\nA: ")), "failed", "no answer within timeout"},
		{"sends its body a byte a second", broken(trickle("HTTP/1.1 200 OK\r\n\r\n")), "delivered", ""},
		{"sends a body without end", broken(answerWithoutEnd), "delivered", ""},
		{"resets connections", broken(reset), "away", "connection reset by peer"},
		{"refuses connections", at(refusing), "away", "connection refused"},
		{"has a name that DNS does not know", at("http://webhookd.invalid/"), "away", ""}, // what it says is up to the name server
		{"has another name in its certificate", newMisnamedReceiver, "away", "not localhost"},
	} {
		t.Run("that "+c.that, func(t *testing.T) {
			t.Parallel()
			healthy := newStopwatch(t)
			p := webhookd.Run(t, webhookd.ReplayConfig(t.TempDir(), settings(timeout),
				endpoint("healthy", healthy.URL, "calm, storm"),
				endpoint("faulty", c.url(t), "storm")))
			endAudit := audit(t, p)

			pour(p, "calm", 1, 125)
			calm := healthy.lap(t, 125)
			pour(p, "storm", 126, 500)
			requirePrompt(t, calm, healthy.lap(t, 500), timeout)

			requireOutcome(t, p, c.outcome)
			if c.says != "" {
				require.Contains(t, p.Await("attempt failed")["error"], c.says)
			}
			endAudit()
			p.TerminateAndExpect(0)
			requireAccounted(t, p, 500)
			if c.outcome == "away" {
				require.Zero(t, p.Summary("faulty").Number("dead_lettered", "max_attempts"))
			}
		})
	}
}

func broken(misbehave misbehave) func(*testing.T) string {
	return func(t *testing.T) string { return newBrokenReceiver(t, misbehave) }
}

func at(url string) func(*testing.T) string {
	return func(*testing.T) string { return url }
}

// requireOutcome checks that attempts at the faulty endpoint end so, and in no other way.
func requireOutcome(t *testing.T, p *webhookd.Process, outcome string) {
	t.Helper()
	attempts := func(outcome string) float64 {
		return p.Metric(`webhookd_endpoint_attempts_total{endpoint="faulty",outcome="` + outcome + `"}`)
	}
	webhookd.Eventually(t, func() bool { return attempts(outcome) > 0 }, "an attempt is "+outcome)
	for _, other := range messages.OutcomeKinds() {
		if other.String() != outcome {
			require.Zero(t, attempts(other.String()), other)
		}
	}
}

// requireAccounted checks that every event of the faulty endpoint was delivered or given up, or is kept, and none lost.
func requireAccounted(t *testing.T, p *webhookd.Process, accepted int) {
	t.Helper()
	summary := p.Summary("faulty")
	require.Equal(t, accepted, summary.Number("accepted"))
	require.Equal(t, accepted, summary.Number("delivered")+summary.Number("dead_lettered", "total")+summary.Number("kept"))
	require.Zero(t, summary.Number("lost"))
}
