package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// Settle takes the outcome of an attempt.
func (e *Endpoint) Settle(now time.Time, d *Delivery, outcome messages.Outcome) Verdict {
	delete(e.inFlight, d)
	e.breaker.tick(now)
	d.lastStatus, d.lastError, d.lastAnswer = outcome.Status, e.errorText(outcome.Err), e.answerText(outcome.Answer)
	d.begun = d.begun && mayBeProcessed(outcome)
	sent := part{d.outgoing(), d.tries}
	j := e.judge(now, d, outcome)
	v := d.verdict(sent, j.fate, j.sequel)
	d.deliveredBefore = e.delivered
	due := now
	if j.waits {
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

// Panicked takes the end of an attempt that panicked. It costs one event: of several, nobody knows which.
func (e *Endpoint) Panicked(now time.Time, d *Delivery) Verdict {
	delete(e.inFlight, d)
	sequel := done
	if d.divisible() {
		sequel = split
	}
	v := d.verdict(part{d.outgoing(), d.tries}, DeadPanic, sequel)
	d.deliveredBefore = e.delivered
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
