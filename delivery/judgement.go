package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// judgement is what an outcome means for the events that went out.
type judgement struct {
	fate   Fate // where the sequel is done
	sequel sequel
	waits  bool // before what follows for them
}

var (
	sentAgain      = judgement{sequel: retry, waits: true}
	sentAgainNow   = judgement{sequel: retry}
	sentInParts    = judgement{sequel: split, waits: true}
	sentInPartsNow = judgement{sequel: split}
)

func ended(fate Fate) judgement { return judgement{fate: fate, sequel: done} }

// judge applies the table «What an answer means».
func (e *Endpoint) judge(now time.Time, d *Delivery, outcome messages.Outcome) judgement {
	if outcome.Cancelled() && e.CutoffCame(now) {
		if mayBeProcessed(outcome) && !e.backlog.journals() {
			return ended(DeadUnknownOutcome)
		}
		return sentAgain
	}
	switch outcome.Kind {
	case messages.OutcomeThrottled:
		e.pause(now.Add(e.throttled.pause(e.retry, d, outcome)))
		e.breaker.ignore(d.generation)
		return e.sendAgain(outcome)
	case messages.OutcomeNotProcessed:
		e.breaker.ignore(d.generation)
		return e.judgeUnprocessed(now, d, outcome)
	case messages.OutcomeLocal:
		e.breaker.ignore(d.generation)
		return e.sendAgain(outcome)
	}
	e.throttled.interrupt()
	switch outcome.Kind {
	case messages.OutcomeDelivered:
		e.breaker.deliver(d.generation)
		return e.judgeDelivery(d)
	case messages.OutcomeRejected:
		return e.judgeRejection(now, d, outcome)
	case messages.OutcomeAway:
		e.breaker.fail(d.generation, now)
		return e.judgeAbsence(now, d, outcome)
	default:
		e.breaker.fail(d.generation, now)
		return e.charge(d, outcome)
	}
}

func (e *Endpoint) judgeDelivery(d *Delivery) judgement {
	e.delivered += uint64(len(d.outgoing()))
	if d.batch != nil {
		d.batch.delivered = true
	}
	return ended(Delivered)
}

// judgeUnprocessed lets events go out again at once, the first time.
func (e *Endpoint) judgeUnprocessed(now time.Time, d *Delivery, outcome messages.Outcome) judgement {
	if !d.unprocessed {
		d.unprocessed = true
		return sentAgainNow
	}
	return e.judgeAbsence(now, d, outcome)
}

// leastPassedOver is how often events are passed over before they are given up, unless max_attempts is more.
const leastPassedOver = 20

// judgeAbsence charges nothing. It gives up on events that the endpoint is away for again and again, although it takes
// others: its absence is theirs alone.
func (e *Endpoint) judgeAbsence(now time.Time, d *Delivery, outcome messages.Outcome) judgement {
	if d.attempts > 1 && e.delivered > d.deliveredBefore {
		awake := e.breaker.awake(now)
		if d.passedOver == 0 {
			d.passedOverSince = awake
		}
		d.passedOver++
		if d.passedOver >= max(leastPassedOver, e.retry.MaxAttempts) && awake.Sub(d.passedOverSince) >= e.retry.GiveUpAfter {
			return e.exhausted(d, outcome, DeadGiveUpAfter)
		}
	}
	return e.sendAgain(outcome)
}

// charge counts an attempt against max_attempts.
func (e *Endpoint) charge(d *Delivery, outcome messages.Outcome) judgement {
	d.charged++
	if d.charged >= e.retry.MaxAttempts {
		return e.exhausted(d, outcome, DeadMaxAttempts)
	}
	return sentAgain
}

// exhausted gives events up that have had their attempts. Several are tried in parts, to find the one that is to blame; but
// with max_attempts 1 nothing is sent twice that may have been processed.
func (e *Endpoint) exhausted(d *Delivery, outcome messages.Outcome, fate Fate) judgement {
	if d.divisible() && (e.maySendTwice() || !mayBeProcessed(outcome)) {
		return sentInParts
	}
	return ended(fate)
}

// sendAgain lets events that were charged nothing go out again; but with max_attempts 1 nothing is sent twice that may
// have been processed.
func (e *Endpoint) sendAgain(outcome messages.Outcome) judgement {
	if mayBeProcessed(outcome) && !e.maySendTwice() {
		return ended(DeadMaxAttempts)
	}
	return sentAgain
}

func (e *Endpoint) maySendTwice() bool { return e.retry.MaxAttempts > 1 }

// mayBeProcessed tells whether the endpoint may have done something with the request. What it rejects because of one
// event it leaves alone.
func mayBeProcessed(outcome messages.Outcome) bool {
	switch outcome.Kind {
	case messages.OutcomeNotProcessed:
		return false
	case messages.OutcomeRejected:
		return outcome.Sent && !refusedForOne(outcome.Status)
	}
	return outcome.Sent
}

func (e *Endpoint) pause(until time.Time) {
	if until.After(e.pausedUntil) {
		e.pausedUntil = until
	}
}
