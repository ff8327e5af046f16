package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestWhatIsTooOldIsADeadLetter(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	p := webhookd.Run(t, webhookd.ReplayConfig(t.TempDir(), quick, "- {name: away, url: '"+r.URL+"', max_age: 1s}\n"))
	p.Post("t", 1, 20)
	for _, letter := range p.AwaitDeadLetters(t, 20) {
		require.Equal(t, "max_age", letter.Reason)
	}
	p.TerminateAndExpect(0)
}

func TestRateLimitSpacesRequests(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: slow, url: '"+r.URL+"', rate_limit: {per_second: 20, burst: 5}}\n"))
	began := time.Now()
	p.Post("t", 1, 25)
	requireAll(t, r, 25)
	require.GreaterOrEqual(t, time.Since(began), time.Second-50*time.Millisecond, "5 at once and 20 at 20 a second")
	p.TerminateAndExpect(0)
}
