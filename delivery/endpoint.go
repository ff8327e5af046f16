package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// Endpoint decides, for one endpoint, which events go out when, and what an answer means for them. It has no clock and
// starts nothing: the package's documentation tells who calls it when. Its methods, save Backlog, are for one goroutine at
// a time.
type Endpoint struct {
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
	throttled   throttled

	delivered  uint64 // events delivered so far
	probes     uint64 // probes sent so far
	lastError  string // of the latest attempt that failed
	lastAnswer string // of the latest answer that refused something

	draining    bool
	cutoff      time.Time // of the drain: when what is left is given up
	drainProbed bool      // the one probe that an open breaker gets in a drain is spent
}

// NewEndpoint makes an endpoint that holds nothing, of settings that inherited all they can (config.Webhook.Resolve).
// jitter gives chance, 0 to 1, and newID the id of a batch; both are called where Endpoint's methods are.
func NewEndpoint(settings config.Endpoint, jitter func() float64, newID func() string) *Endpoint {
	return &Endpoint{
		retry:    settings.Retry,
		workers:  settings.Workers,
		maxAge:   settings.MaxAge,
		backlog:  newEndpointBacklog(settings),
		breaker:  breaker{settings: settings.CircuitBreaker, jitter: jitter},
		limit:    newRateLimit(settings.RateLimit),
		newID:    newID,
		inFlight: map[*Delivery]struct{}{},
	}
}

func newEndpointBacklog(settings config.Endpoint) *Backlog {
	backlog := NewBacklog(Bounds{Events: settings.QueueSize, Bytes: int64(settings.QueueBytes), Policy: settings.DropPolicy})
	backlog.batch = settings.Batch
	return backlog
}

// Backlog is what the endpoint holds, for any goroutine: events are offered there.
func (e *Endpoint) Backlog() *Backlog { return e.backlog }

// Breaker is the state of the circuit breaker.
func (e *Endpoint) Breaker() BreakerState { return e.breaker.state }

// GiveUp gives up what must not wait any longer: for max_age, and in a drain what nobody waits for; and restored events
// that may have been sent, with max_attempts 1. In a drain with a journal that is nothing: all stays held.
func (e *Endpoint) GiveUp(now time.Time) []Verdict {
	if e.rests() {
		return nil
	}
	var verdicts []Verdict
	for _, d := range e.backlog.giveUpUnknown() {
		verdicts = append(verdicts, d.givenUp(DeadUnknownOutcome)...)
	}
	for _, d := range e.abandon(now) {
		verdicts = append(verdicts, d.givenUp(DeadShutdown)...)
	}
	for _, d := range e.expire(now) {
		verdicts = append(verdicts, d.givenUp(DeadMaxAge)...)
	}
	return verdicts
}

func (e *Endpoint) expire(now time.Time) []*Delivery {
	if e.maxAge == 0 {
		return nil
	}
	return e.backlog.expire(now.Add(-e.maxAge))
}

// Next hands out the delivery that goes out now, or nil. The end of its attempt comes back through Settle or Panicked,
// exactly once.
func (e *Endpoint) Next(now time.Time) *Delivery {
	e.breaker.tick(now)
	if e.rests() {
		return nil
	}
	e.probeForDrain(now)
	if now.Before(e.notBefore()) || !e.breaker.allows() || len(e.inFlight) >= e.workers || e.CutoffCame(now) {
		return nil
	}
	probe := e.breaker.state == BreakerHalfOpen
	d := e.take(now, probe)
	if d == nil {
		return nil
	}
	if d.batch != nil && d.batch.id == "" {
		d.batch.id = e.newID()
	}
	d.attempts++
	d.generation = e.breaker.begin()
	d.throttlesBefore = e.throttled.answers
	if probe {
		e.probes++
		d.probe = e.probes
	}
	e.limit.spend(now)
	e.inFlight[d] = struct{}{}
	return d
}

func (e *Endpoint) take(now time.Time, probe bool) *Delivery {
	d := e.unfinished
	e.unfinished = nil
	if d != nil && probe && e.backlog.resume(now, d) {
		return d
	}
	return e.backlog.take(now, e.workers == 1, probe)
}

// notBefore is when the pause and the rate limit let the next request out.
func (e *Endpoint) notBefore() time.Time {
	if free := e.limit.freeAt(); free.After(e.pausedUntil) {
		return free
	}
	return e.pausedUntil
}

// Wake is the next time at which something may go out, or has to be given up, that can't now; false when only a new
// event or the end of an attempt changes anything.
func (e *Endpoint) Wake(now time.Time) (time.Time, bool) {
	var at time.Time
	var ok bool
	if !e.rests() {
		at, ok = e.nextChance(now)
		if expiry, expires := e.nextExpiry(); expires && (!ok || expiry.Before(at)) {
			at, ok = expiry, true
		}
		if again, fails := e.backlog.readsAgain(now); fails && (!ok || again.Before(at)) {
			at, ok = again, true
		}
	}
	if e.draining && !e.CutoffCame(now) && (!ok || e.cutoff.Before(at)) {
		return e.cutoff, true
	}
	return at, ok
}

func (e *Endpoint) nextChance(now time.Time) (time.Time, bool) {
	at := e.notBefore()
	if e.breaker.state == BreakerOpen && e.breaker.openUntil.After(at) {
		at = e.breaker.openUntil
	}
	if at.After(now) {
		return at, true
	}
	if !e.breaker.allows() || len(e.inFlight) >= e.workers {
		return time.Time{}, false
	}
	return e.backlog.nextTurn(now, e.workers == 1)
}

func (e *Endpoint) nextExpiry() (time.Time, bool) {
	if e.maxAge == 0 {
		return time.Time{}, false
	}
	accepted, ok := e.backlog.oldestAcceptance()
	return accepted.Add(e.maxAge), ok
}
