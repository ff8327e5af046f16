package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// Answers that say something of one event rather than of the endpoint (RFC 9110 §15.5).
const (
	statusBadRequest           = 400
	statusNotFound             = 404
	statusMethodNotAllowed     = 405
	statusGone                 = 410
	statusContentTooLarge      = 413
	statusUnprocessableContent = 422
)

// judgeRejection gives events up, or splits them where one of them may be why. A probe of a breaker that rejections opened
// finds the endpoint as it was: what is wrong is not the event, which is kept.
func (e *Endpoint) judgeRejection(now time.Time, d *Delivery, outcome messages.Outcome) judgement {
	if e.breaker.refused && e.breaker.isProbe(d.generation) {
		e.breaker.fail(d.generation, now)
		return e.charge(d, outcome)
	}
	if d.divisible() && refusedForOne(outcome.Status) {
		e.judgeHealth(now, d, false)
		return sentInPartsNow
	}
	if !countsForNone(outcome.Status) && e.breaker.reject(d.generation, now) {
		return ended(DeadRejected)
	}
	e.judgeHealth(now, d, len(d.parts()) == 1)
	return ended(DeadRejected)
}

// judgeHealth takes what a rejection says of the endpoint's health. For a batch that is known when all of it has an end:
// an endpoint that took nothing of it may take no arrays at all, and must not be stormed with the parts of more and more
// batches.
func (e *Endpoint) judgeHealth(now time.Time, d *Delivery, last bool) {
	switch {
	case d.batch == nil || d.batch.delivered:
		e.breaker.succeed(d.generation)
	case last:
		e.breaker.fail(d.generation, now)
	default:
		e.goOnProbing(d)
	}
}

// refusedForOne tells whether one event may be why an endpoint refuses several.
func refusedForOne(status int) bool {
	switch status {
	case statusBadRequest, statusContentTooLarge, statusUnprocessableContent:
		return true
	}
	return false
}

// countsForNone tells whether a rejection is about its event in any case, and so says nothing of others: one of its size or
// of the URL that was made from it, or of a request that was never sent.
func countsForNone(status int) bool {
	switch status {
	case 0, statusContentTooLarge, statusNotFound, statusMethodNotAllowed, statusGone:
		return true
	}
	return false
}

// goOnProbing lets the rest of a probe that is a batch be the probe.
func (e *Endpoint) goOnProbing(d *Delivery) {
	if e.breaker.isProbe(d.generation) {
		e.breaker.ignore(d.generation)
		e.unfinished = d
	}
}
