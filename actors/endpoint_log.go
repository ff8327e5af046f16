package actors

import (
	"errors"
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/httpclient"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// complaintInterval is the time between two lines about failures of one kind.
const complaintInterval = 10 * time.Second

// complaints says what is wrong with an endpoint without flooding the log: of each kind of failure the first at once,
// then one every ten seconds with the number of those left out.
type complaints struct {
	kinds [messages.OutcomeLocal + 1]struct {
		last    time.Time
		leftOut int
	}
	read time.Time // the latest about a failed reading
	lost time.Time // the latest about a dead letter
}

func (c *complaints) readFailed(now time.Time, log *slog.Logger, err error) {
	if !c.read.IsZero() && now.Sub(c.read) < complaintInterval {
		return
	}
	log.Error("what is held can't be read from the store, and is tried again", "error", err)
	c.read = now
}

// letterLost leaves to the summary what is lost because the program stops.
func (c *complaints) letterLost(now time.Time, log *slog.Logger, err error) {
	if errors.Is(err, store.ErrNotKept) || !c.lost.IsZero() && now.Sub(c.lost) < complaintInterval {
		return
	}
	log.Error("a dead letter is not kept", "error", err)
	c.lost = now
}

func (c *complaints) attemptFailed(now time.Time, log *slog.Logger, ended *attemptEnded, v delivery.Verdict) {
	outcome := ended.outcome
	kind := &c.kinds[outcome.Kind]
	if !kind.last.IsZero() && now.Sub(kind.last) < complaintInterval {
		kind.leftOut++
		return
	}
	attributes := []any{"outcome", outcome.Kind.String(), "webhook_id", ended.id, "events", len(v.Events()),
		"attempt", v.Attempts, "error", outcome.Err}
	if outcome.Answer != "" {
		attributes = append(attributes, "answer", outcome.Answer)
	}
	attributes = append(attributes, "next", v.String(), "advice", httpclient.Advice(outcome))
	if kind.leftOut > 0 {
		attributes = append(attributes, "left_out", kind.leftOut)
	}
	log.Warn("attempt failed", attributes...)
	kind.last, kind.leftOut = now, 0
}

// breakerChanged reports an outage when it begins and when it ends, and the probes between at debug level.
func (c *complaints) breakerChanged(log *slog.Logger, before, state delivery.BreakerState, held int) {
	switch {
	case state == delivery.BreakerClosed:
		log.Info("circuit breaker closed: the endpoint is back", "held", held)
	case state == delivery.BreakerOpen && before == delivery.BreakerClosed:
		log.Warn("circuit breaker opened: events wait until the endpoint is back", "held", held)
	default:
		log.Debug("circuit breaker "+state.String(), "held", held)
	}
}
