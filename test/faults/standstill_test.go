package faults

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestReceiverThatStandsStillForTwentySecondsGetsEverythingThen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 25 s")
	}
	t.Parallel()
	const events = 20 * 250
	healthy := newStopwatch(t)
	receiver, url := webhookd.Listen(t)
	p := webhookd.Run(t, webhookd.IngestConfig(settings(timeout),
		endpoint("healthy", healthy.URL, "calm, storm"), endpoint("stopped", url, "calm, storm")))
	endAudit := audit(t, p)
	pour(p, "calm", 1, 125)
	calm := healthy.lap(t, 125)
	awaitAll(t, p, "stopped", "delivered", 125)

	receiver.Halt()
	pour(p, "storm", 126, events)
	requirePrompt(t, calm, healthy.lap(t, events), timeout)
	receiver.Resume()

	awaitAll(t, p, "stopped", "delivered", 125+events)
	printed := receiver.Stdout()
	for i := 1; i <= 125+events; i++ {
		require.Contains(t, printed, fmt.Sprintf(`"event_id":"e%d"`, i))
	}
	endAudit()
	p.TerminateAndExpect(0)
}

func TestProgramThatStoodStillGoesOn(t *testing.T) {
	t.Parallel()
	healthy := newStopwatch(t)
	var well atomic.Bool
	recovering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(recovering.Close)
	p := webhookd.Run(t, webhookd.IngestConfig(settings(timeout),
		endpoint("healthy", healthy.URL, "calm, storm"), endpoint("recovering", recovering.URL, "storm")))
	endAudit := audit(t, p)
	pour(p, "calm", 1, 125)
	calm := healthy.lap(t, 125)
	pour(p, "storm", 126, 125)
	requirePrompt(t, calm, healthy.lap(t, 125), timeout)
	awaitAll(t, p, "recovering", "held", 125)

	p.Halt()
	well.Store(true)
	time.Sleep(5 * time.Second)
	p.Resume()

	pour(p, "storm", 251, 125)
	requirePrompt(t, calm, healthy.lap(t, 125), timeout)
	awaitAll(t, p, "recovering", "delivered", 250)
	endAudit()
	p.TerminateAndExpect(0)
}
