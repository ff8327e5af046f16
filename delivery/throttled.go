package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// throttled counts an endpoint's throttled answers. Those to requests that were out together are one: an endpoint with
// many workers that refuses all of them at once is to be left alone no longer than one with a single worker.
type throttled struct {
	answers uint64 // so far
	row     int    // of them, those since the endpoint delivered, rejected, failed or was away
}

// pause is for how long an endpoint that throttles is left alone: as long as it asks, up to max_retry_after, or by the
// backoff of throttled answers in a row.
func (t *throttled) pause(retry config.Retry, d *Delivery, outcome messages.Outcome) time.Duration {
	if d.throttlesBefore == t.answers || t.row == 0 {
		t.answers++
		t.row++
	}
	if outcome.PauseAsked {
		return min(outcome.Pause, retry.MaxRetryAfter)
	}
	return backoff(retry, t.row-1)
}

// interrupt ends the row.
func (t *throttled) interrupt() { t.row = 0 }
