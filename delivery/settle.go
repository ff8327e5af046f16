package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// Answers that may be about one event of several (RFC 9110 §15.5).
const (
	statusBadRequest           = 400
	statusContentTooLarge      = 413
	statusUnprocessableContent = 422
)

// Settle takes the outcome of an attempt.
func (e *Endpoint) Settle(now time.Time, d *Delivery, outcome messages.Outcome) Verdict {
	delete(e.inFlight, d)
	d.lastStatus, d.lastError, d.lastAnswer = outcome.Status, e.errorText(outcome.Err), e.answerText(outcome.Answer)
	sent := part{d.outgoing(), d.tries}
	fate, sequel := e.judge(now, d, outcome)
	v := d.verdict(sent, fate, sequel)
	d.deliveredBefore = e.delivered
	due := now
	if sequel != done && outcome.Kind != messages.OutcomeRejected {
		due = now.Add(backoff(e.retry, d.failures))
		d.failures++
	}
	e.follow(d, v, due)
	return v
}

// follow does what the verdict says, and lets events that were split off these follow at once.
func (e *Endpoint) follow(d *Delivery, v Verdict, due time.Time) {
	if v.sequel == done && !e.backlog.settleOutgoing(d, v.Fate) {
		return
	}
	if v.sequel == split {
		d.split()
	}
	e.backlog.retry(d, due)
}

// errorText lets the events that wait for an endpoint share what is wrong with it: mostly it is the same for all.
func (e *Endpoint) errorText(err error) string {
	if err == nil {
		return ""
	}
	if text := err.Error(); text != e.lastError {
		e.lastError = text
	}
	return e.lastError
}

// answerText is as errorText.
func (e *Endpoint) answerText(answer string) string {
	if answer == "" {
		return ""
	}
	if answer != e.lastAnswer {
		e.lastAnswer = answer
	}
	return e.lastAnswer
}

// judge applies the table «What an answer means».
func (e *Endpoint) judge(now time.Time, d *Delivery, outcome messages.Outcome) (Fate, sequel) {
	switch {
	case outcome.Kind == messages.OutcomeDelivered:
		e.delivered += uint64(len(d.outgoing()))
		e.breaker.succeed(d.generation)
		if d.batch != nil {
			d.batch.delivered = true
		}
		return Delivered, done
	case outcome.Kind == messages.OutcomeRejected:
		return DeadRejected, e.judgeRejection(now, d, outcome)
	case e.CutoffCame(now) && outcome.Cancelled():
		if outcome.Sent {
			return DeadUnknownOutcome, done
		}
		return 0, retry
	case outcome.PauseAsked:
		e.pause(now.Add(min(outcome.Pause, e.retry.MaxRetryAfter)))
		e.breaker.ignore(d.generation)
		return e.judgeFailure(d, outcome, false)
	}
	e.breaker.fail(d.generation, now)
	return e.judgeFailure(d, outcome, e.charges(d, outcome))
}

// judgeRejection gives events up, or splits them where one of them may be why. What a rejection says of the endpoint's
// health is known, for a batch, when all of it has an end: an endpoint that took nothing of it may take no arrays at all,
// and must not be stormed with the parts of more and more batches.
func (e *Endpoint) judgeRejection(now time.Time, d *Delivery, outcome messages.Outcome) sequel {
	judgement := done
	if d.divisible() && refusedForOne(outcome.Status) {
		judgement = split
	}
	switch {
	case d.batch == nil || d.batch.delivered:
		e.breaker.succeed(d.generation)
	case judgement == done && len(d.batch.rest) == 0:
		e.breaker.fail(d.generation, now)
	default:
		e.goOnProbing(d)
	}
	return judgement
}

// judgeFailure charges the events, or does not. Events that have used up their attempts together are tried in parts, to
// find the one that is to blame; but with max_attempts 1 nothing is sent twice.
func (e *Endpoint) judgeFailure(d *Delivery, outcome messages.Outcome, charged bool) (Fate, sequel) {
	if charged {
		d.charged++
	}
	switch exhausted := charged && d.charged >= e.retry.MaxAttempts; {
	case e.retry.MaxAttempts == 1 && (outcome.Sent || exhausted):
		return DeadMaxAttempts, done
	case exhausted && d.divisible():
		return 0, split
	case exhausted:
		return DeadMaxAttempts, done
	}
	return 0, retry
}

// refusedForOne tells whether one event may be why an endpoint refuses several.
func refusedForOne(status int) bool {
	switch status {
	case statusBadRequest, statusContentTooLarge, statusUnprocessableContent:
		return true
	}
	return false
}

// goOnProbing lets the rest of a probe that is a batch be the probe.
func (e *Endpoint) goOnProbing(d *Delivery) {
	if e.breaker.state == BreakerHalfOpen && d.generation == e.breaker.generation {
		e.breaker.ignore(d.generation)
		e.unfinished = d
	}
}

// charges tells whether a failure counts against the events: always where the endpoint took the request, and where it was
// away only if it delivered another event since their previous attempt.
func (e *Endpoint) charges(d *Delivery, outcome messages.Outcome) bool {
	return outcome.Kind == messages.OutcomeFailed || d.attempts > 1 && e.delivered > d.deliveredBefore
}

func (e *Endpoint) pause(until time.Time) {
	if until.After(e.pausedUntil) {
		e.pausedUntil = until
	}
}

// Panicked takes the end of an attempt that panicked. It costs one event: of several, nobody knows which.
func (e *Endpoint) Panicked(now time.Time, d *Delivery) Verdict {
	delete(e.inFlight, d)
	sequel := done
	if d.divisible() {
		sequel = split
	}
	v := d.verdict(part{d.outgoing(), d.tries}, DeadPanic, sequel)
	e.breaker.ignore(d.generation)
	e.follow(d, v, now)
	return v
}

// Quarantine gives up a delivery over which whoever drives the endpoint itself panicked. It is empty when all of it had a
// fate before.
func (e *Endpoint) Quarantine(d *Delivery) []Verdict {
	delete(e.inFlight, d)
	e.breaker.ignore(d.generation)
	if !e.backlog.settle(d, DeadPanic) {
		return nil
	}
	return d.givenUp(DeadPanic)
}
