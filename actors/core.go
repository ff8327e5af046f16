package actors

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// core decides, for one endpoint, which events go out when, and what an answer means for them. It has no clock: whoever
// drives it calls expire and next until nothing may go out, settle with each result, and all again at the time that wake
// names.
type core struct {
	retry   config.Retry
	workers int
	maxAge  time.Duration // 0: events may wait for ever
	backlog *Backlog
	breaker breaker
	limit   rateLimit
	newID   func() string // of batches

	inFlight    map[*Delivery]struct{}
	unfinished  *Delivery // a batch that was split while it was the probe: what is left of it is the probe
	pausedUntil time.Time
	delivered   uint64 // events delivered so far
	probes      uint64 // probes sent so far
	lastError   string // of the latest attempt that failed

	draining    bool
	cutoff      time.Time // of the drain: when what is left is given up
	drainProbed bool      // the one probe that an open breaker gets in a drain is spent
}

// verdict is what the end of an attempt means for the events that it was about.
type verdict struct {
	part
	next sequel
	fate Fate // where they are done
}

// sequel is what follows for events that went out.
type sequel uint8

const (
	done   sequel = iota // they have their fate
	retry                // they go out again, after a wait
	divide               // they go out again in halves
)

// String is "dead letter", "retry" or "split".
func (s sequel) String() string { return [...]string{"dead letter", "retry", "split"}[s] }

func newCore(endpoint config.Endpoint, backlog *Backlog, jitter func() float64, newID func() string) *core {
	return &core{
		retry:    endpoint.Retry,
		workers:  endpoint.Workers,
		maxAge:   endpoint.MaxAge,
		backlog:  backlog,
		breaker:  breaker{settings: endpoint.CircuitBreaker, jitter: jitter},
		limit:    newRateLimit(endpoint.RateLimit),
		newID:    newID,
		inFlight: map[*Delivery]struct{}{},
	}
}

// expire gives up what has waited for longer than max_age.
func (c *core) expire(now time.Time) []*Delivery {
	if c.maxAge == 0 {
		return nil
	}
	return c.backlog.Expire(now.Add(-c.maxAge))
}

// next hands out the delivery that goes out now, or nil. Its result comes back through settle or panicked.
func (c *core) next(now time.Time) *Delivery {
	c.breaker.tick(now)
	c.probeForDrain()
	if now.Before(c.gate()) || !c.breaker.allows() || len(c.inFlight) >= c.workers || c.expired(now) {
		return nil
	}
	probe := c.breaker.state == BreakerHalfOpen
	d := c.take(now, probe)
	if d == nil {
		return nil
	}
	if d.batch != nil && d.batch.id == "" {
		d.batch.id = c.newID()
	}
	d.attempts++
	d.generation = c.breaker.begin()
	if probe {
		c.probes++
		d.probe = c.probes
	}
	c.limit.spend(now)
	c.inFlight[d] = struct{}{}
	return d
}

func (c *core) take(now time.Time, probe bool) *Delivery {
	d := c.unfinished
	c.unfinished = nil
	if d != nil && probe && c.backlog.Resume(now, d) {
		return d
	}
	return c.backlog.Take(now, c.workers == 1, probe)
}

// gate is when the pause and the rate limit let the next request out.
func (c *core) gate() time.Time {
	if free := c.limit.freeAt(); free.After(c.pausedUntil) {
		return free
	}
	return c.pausedUntil
}

// settle takes the outcome of an attempt.
func (c *core) settle(now time.Time, d *Delivery, outcome messages.Outcome) verdict {
	delete(c.inFlight, d)
	d.lastStatus, d.lastError = outcome.Status, c.errorText(outcome.Err)
	v := verdict{part: part{d.outgoing(), d.tries}}
	v.fate, v.next = c.judge(now, d, outcome)
	d.deliveredBefore = c.delivered
	due := now
	if v.next != done && outcome.Kind != messages.OutcomeRejected {
		due = now.Add(backoff(c.retry, d.failures))
		d.failures++
	}
	c.follow(d, v, due)
	return v
}

// follow does what the verdict says, and lets events that were split off these follow at once.
func (c *core) follow(d *Delivery, v verdict, due time.Time) {
	if v.next == done && !c.backlog.SettleOutgoing(d, v.fate) {
		return
	}
	if v.next == divide {
		d.split()
	}
	c.backlog.Retry(d, due)
}

// errorText lets the events that wait for an endpoint share what is wrong with it: mostly it is the same for all.
func (c *core) errorText(err error) string {
	if err == nil {
		return ""
	}
	if text := err.Error(); text != c.lastError {
		c.lastError = text
	}
	return c.lastError
}

// judge applies the table «What an answer means».
func (c *core) judge(now time.Time, d *Delivery, outcome messages.Outcome) (Fate, sequel) {
	switch {
	case outcome.Kind == messages.OutcomeDelivered:
		c.delivered += uint64(len(d.outgoing()))
		c.breaker.succeed(d.generation)
		if d.batch != nil {
			d.batch.delivered = true
		}
		return Delivered, done
	case outcome.Kind == messages.OutcomeRejected:
		return DeadRejected, c.judgeRejection(now, d, outcome)
	case c.expired(now) && errors.Is(outcome.Err, context.Canceled):
		if outcome.Sent {
			return DeadUnknownOutcome, done
		}
		return 0, retry
	case outcome.PauseAsked:
		c.pause(now.Add(min(outcome.Pause, c.retry.MaxRetryAfter)))
		c.breaker.ignore(d.generation)
		return c.judgeFailure(d, outcome, false)
	}
	c.breaker.fail(d.generation, now)
	return c.judgeFailure(d, outcome, c.charges(d, outcome))
}

// judgeRejection gives events up, or splits them where one of them may be why. What a rejection says of the endpoint's
// health is known, for a batch, when all of it has an end: an endpoint that took nothing of it may take no arrays at all,
// and must not be stormed with the parts of more and more batches.
func (c *core) judgeRejection(now time.Time, d *Delivery, outcome messages.Outcome) sequel {
	judgement := done
	if d.divisible() && refusedForOne(outcome.Status) {
		judgement = divide
	}
	switch {
	case d.batch == nil || d.batch.delivered:
		c.breaker.succeed(d.generation)
	case judgement == done && len(d.batch.rest) == 0:
		c.breaker.fail(d.generation, now)
	default:
		c.goOnProbing(d)
	}
	return judgement
}

// judgeFailure charges the events, or does not. Events that have used up their attempts together are tried in parts, to
// find the one that is to blame; but with max_attempts 1 nothing is sent twice.
func (c *core) judgeFailure(d *Delivery, outcome messages.Outcome, charged bool) (Fate, sequel) {
	if charged {
		d.charged++
	}
	switch exhausted := charged && d.charged >= c.retry.MaxAttempts; {
	case c.retry.MaxAttempts == 1 && (outcome.Sent || exhausted):
		return DeadMaxAttempts, done
	case exhausted && d.divisible():
		return 0, divide
	case exhausted:
		return DeadMaxAttempts, done
	}
	return 0, retry
}

// refusedForOne tells whether one event may be why an endpoint refuses several.
func refusedForOne(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// goOnProbing lets the rest of a probe that is a batch be the probe.
func (c *core) goOnProbing(d *Delivery) {
	if c.breaker.state == BreakerHalfOpen && d.generation == c.breaker.generation {
		c.breaker.ignore(d.generation)
		c.unfinished = d
	}
}

// charges tells whether a failure counts against the events: always where the endpoint took the request, and where it was
// away only if it delivered another event since their previous attempt.
func (c *core) charges(d *Delivery, outcome messages.Outcome) bool {
	return outcome.Kind == messages.OutcomeFailed || d.attempts > 1 && c.delivered > d.deliveredBefore
}

func (c *core) pause(until time.Time) {
	if until.After(c.pausedUntil) {
		c.pausedUntil = until
	}
}

// panicked takes the end of an attempt that panicked. It costs one event: of several, nobody knows which.
func (c *core) panicked(now time.Time, d *Delivery) verdict {
	delete(c.inFlight, d)
	v := verdict{part: part{d.outgoing(), d.tries}, fate: DeadPanic}
	if d.divisible() {
		v.next = divide
	}
	c.breaker.ignore(d.generation)
	c.follow(d, v, now)
	return v
}

// quarantine gives up a delivery over which the actor itself panicked. It is false when all of it had a fate before.
func (c *core) quarantine(d *Delivery) bool {
	delete(c.inFlight, d)
	c.breaker.ignore(d.generation)
	return c.backlog.Settle(d, DeadPanic)
}

// wake is the next time at which something may go out, or has to be given up, that can't now; false when only a new
// event or a result changes anything.
func (c *core) wake(now time.Time) (time.Time, bool) {
	at, ok := c.nextChance(now)
	if expiry, expires := c.nextExpiry(); expires && (!ok || expiry.Before(at)) {
		at, ok = expiry, true
	}
	if c.draining && !c.expired(now) && (!ok || c.cutoff.Before(at)) {
		return c.cutoff, true
	}
	return at, ok
}

func (c *core) nextChance(now time.Time) (time.Time, bool) {
	gate := c.gate()
	if c.breaker.state == BreakerOpen && c.breaker.openUntil.After(gate) {
		gate = c.breaker.openUntil
	}
	if gate.After(now) {
		return gate, true
	}
	if !c.breaker.allows() || len(c.inFlight) >= c.workers {
		return time.Time{}, false
	}
	return c.backlog.NextTurn(c.workers == 1)
}

func (c *core) nextExpiry() (time.Time, bool) {
	if c.maxAge == 0 {
		return time.Time{}, false
	}
	accepted, ok := c.backlog.OldestAcceptance()
	return accepted.Add(c.maxAge), ok
}
