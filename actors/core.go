package actors

import (
	"context"
	"errors"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
)

// core decides, for one endpoint, which event goes out when, and what an answer means for it. It has no clock: whoever
// drives it calls next until nothing may go out, settle with each result, and both again at the time that wake names.
type core struct {
	retry   config.Retry
	workers int
	backlog *Backlog
	breaker breaker

	inFlight    map[*Delivery]struct{}
	pausedUntil time.Time
	delivered   uint64 // events delivered so far
	probes      uint64 // probes sent so far
	lastError   string // of the latest attempt that failed

	draining    bool
	cutoff      time.Time // of the drain: when what is left is given up
	drainProbed bool      // the one probe that an open breaker gets in a drain is spent
}

func newCore(endpoint config.Endpoint, backlog *Backlog, jitter func() float64) *core {
	return &core{
		retry:    endpoint.Retry,
		workers:  endpoint.Workers,
		backlog:  backlog,
		breaker:  breaker{settings: endpoint.CircuitBreaker, jitter: jitter},
		inFlight: map[*Delivery]struct{}{},
	}
}

// next hands out the delivery that goes out now, or nil. Its result comes back through settle or panicked.
func (c *core) next(now time.Time) *Delivery {
	c.breaker.tick(now)
	c.probeForDrain()
	if now.Before(c.pausedUntil) || !c.breaker.allows() || len(c.inFlight) >= c.workers || c.expired(now) {
		return nil
	}
	probe := c.breaker.state == BreakerHalfOpen
	d := c.backlog.Take(now, c.workers == 1, probe)
	if d == nil {
		return nil
	}
	d.Attempts++
	d.generation = c.breaker.begin()
	if probe {
		c.probes++
		d.probe = c.probes
	}
	c.inFlight[d] = struct{}{}
	return d
}

// settle takes the outcome of an attempt. It returns the event's fate, or false when the event is tried again.
func (c *core) settle(now time.Time, d *Delivery, outcome httpclient.Outcome) (Fate, bool) {
	delete(c.inFlight, d)
	d.lastStatus, d.lastError = outcome.Status, c.errorText(outcome.Err)
	fate, final := c.judge(now, d, outcome)
	d.deliveredBefore = c.delivered
	if final {
		c.backlog.Settle(d, fate)
		return fate, true
	}
	c.backlog.Retry(d, now.Add(backoff(c.retry, d.failures)))
	d.failures++
	return 0, false
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
func (c *core) judge(now time.Time, d *Delivery, outcome httpclient.Outcome) (Fate, bool) {
	switch {
	case outcome.Kind == httpclient.Delivered:
		c.delivered++
		c.breaker.succeed(d.generation)
		return Delivered, true
	case outcome.Kind == httpclient.Rejected:
		c.breaker.succeed(d.generation)
		return DeadRejected, true
	case c.expired(now) && errors.Is(outcome.Err, context.Canceled):
		return DeadUnknownOutcome, outcome.Sent
	case outcome.PauseAsked:
		c.pause(now.Add(min(outcome.Pause, c.retry.MaxRetryAfter)))
		c.breaker.ignore(d.generation)
	default:
		c.breaker.fail(d.generation, now)
		if c.charges(d, outcome) {
			d.charged++
		}
	}
	sentOnce := c.retry.MaxAttempts == 1 && outcome.Sent
	return DeadMaxAttempts, sentOnce || d.charged >= c.retry.MaxAttempts
}

// charges tells whether a failure counts against the event: always where the endpoint took the request, and where it was
// away only if it delivered another event since this one's previous attempt.
func (c *core) charges(d *Delivery, outcome httpclient.Outcome) bool {
	return outcome.Kind == httpclient.Failed || d.Attempts > 1 && c.delivered > d.deliveredBefore
}

func (c *core) pause(until time.Time) {
	if until.After(c.pausedUntil) {
		c.pausedUntil = until
	}
}

// panicked takes the end of an attempt, or of the handling of a delivery, that panicked. It is false when the event had
// its fate before.
func (c *core) panicked(d *Delivery) bool {
	delete(c.inFlight, d)
	c.breaker.ignore(d.generation)
	return c.backlog.Settle(d, DeadPanic)
}

// wake is the next time at which something may go out, or has to be given up, that can't now; false when only a new
// event or a result changes anything.
func (c *core) wake(now time.Time) (time.Time, bool) {
	at, ok := c.nextChance(now)
	if c.draining && !c.expired(now) && (!ok || c.cutoff.Before(at)) {
		return c.cutoff, true
	}
	return at, ok
}

func (c *core) nextChance(now time.Time) (time.Time, bool) {
	gate := c.pausedUntil
	if c.breaker.state == BreakerOpen && c.breaker.openUntil.After(gate) {
		gate = c.breaker.openUntil
	}
	if gate.After(now) {
		return gate, true
	}
	if !c.breaker.allows() || len(c.inFlight) >= c.workers {
		return time.Time{}, false
	}
	return c.backlog.NextRetry()
}

// drain begins the shutdown: no new events, and what is still held at the cutoff is given up. A second call with an
// earlier cutoff brings it forward.
func (c *core) drain(cutoff time.Time) {
	c.backlog.Seal()
	if !c.draining || cutoff.Before(c.cutoff) {
		c.draining, c.cutoff = true, cutoff
	}
}

// probeForDrain gives an open breaker its one probe at once.
func (c *core) probeForDrain() {
	if c.draining && !c.drainProbed && c.breaker.state == BreakerOpen {
		c.drainProbed = true
		c.breaker.probeNow()
	}
}

// abandon gives up, during a drain, what nobody waits for: everything once the cutoff has come, the pause ends after it,
// or the one probe of an open breaker failed; otherwise the retries that are due after it.
func (c *core) abandon(now time.Time) []*Delivery {
	switch {
	case !c.draining:
		return nil
	case c.expired(now), c.pausedUntil.After(c.cutoff), c.drainProbed && c.breaker.state == BreakerOpen:
		return c.backlog.Abandon(time.Time{}, true)
	default:
		return c.backlog.Abandon(c.cutoff, false)
	}
}

// expired tells whether the drain's cutoff has come: requests in flight are to be cancelled.
func (c *core) expired(now time.Time) bool {
	return c.draining && !now.Before(c.cutoff)
}

// drained tells whether the drain is over.
func (c *core) drained() bool {
	return c.draining && c.backlog.Empty()
}
