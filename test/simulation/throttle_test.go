package simulation

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// throttleReading knows the throttled answers in a row. Those to requests that went out before the latest of the row came
// are part of it.
type throttleReading struct {
	row    int
	latest time.Time
}

// hear ends the row with what says something else of the receiver.
func (t *throttleReading) hear(a *attempt) {
	switch a.outcome.Kind {
	case messages.OutcomeDelivered, messages.OutcomeRejected, messages.OutcomeFailed, messages.OutcomeAway:
		if !a.cutShort {
			t.row = 0
		}
	}
}

// throttle is how long the endpoint pauses.
func (o *oracle) throttle(c *cargo, outcome messages.Outcome) time.Duration {
	t := &o.throttles
	if t.row == 0 || !c.sent.Before(t.latest) {
		t.row++
		t.latest = o.now
	} else {
		o.seen["throttled together"]++
	}
	if outcome.PauseAsked {
		o.seen["pause"]++
		return min(outcome.Pause, o.Retry.MaxRetryAfter)
	}
	if t.row > 1 {
		o.seen["throttled in a row"]++
	}
	return o.backoff(t.row - 1)
}
