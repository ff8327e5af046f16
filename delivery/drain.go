package delivery

import "time"

// Drain begins the shutdown: no new events, and what is still held at the cutoff is given up. With a journal nothing is:
// requests in flight may end until the cutoff, nothing else goes out, and what is held stays so. A second call with an
// earlier cutoff brings it forward.
func (e *Endpoint) Drain(cutoff time.Time) {
	e.backlog.Seal()
	if !e.draining || cutoff.Before(e.cutoff) {
		e.draining, e.cutoff = true, cutoff
	}
}

// rests tells whether nothing goes out and nothing is given up any more, because the journal keeps it all.
func (e *Endpoint) rests() bool { return e.draining && e.backlog.journals() }

// probeForDrain gives an open breaker its one probe at once.
func (e *Endpoint) probeForDrain(now time.Time) {
	if e.draining && !e.drainProbed && e.breaker.state == BreakerOpen {
		e.drainProbed = true
		e.breaker.probeNow(now)
	}
}

// abandon gives up, during a drain, what nobody waits for: everything once the cutoff has come, the pause ends after it,
// or the one probe of an open breaker failed; otherwise the retries that are due after it.
func (e *Endpoint) abandon(now time.Time) []*Delivery {
	switch {
	case !e.draining:
		return nil
	case e.CutoffCame(now), e.pausedUntil.After(e.cutoff), e.drainProbed && e.breaker.state == BreakerOpen:
		return e.backlog.abandon(time.Time{}, true)
	default:
		return e.backlog.abandon(e.cutoff, false)
	}
}

// CutoffCame tells whether the drain's cutoff has come: requests in flight are to be cancelled.
func (e *Endpoint) CutoffCame(now time.Time) bool {
	return e.draining && !now.Before(e.cutoff)
}

// Draining tells whether Drain was called.
func (e *Endpoint) Draining() bool { return e.draining }

// Drained tells whether the drain is over: nothing takes room in the backlog any more, or with a journal nothing is in
// flight and no dead letter on its way.
func (e *Endpoint) Drained() bool {
	return e.draining && e.backlog.settled()
}

// Halt ends it all at once, without a drain or before its end: nobody drives the endpoint any more. It gives up what is
// in flight, whose outcome nobody will know, and all that waits; with a journal nothing, for all stays held.
func (e *Endpoint) Halt() []Verdict {
	e.backlog.Seal()
	if e.backlog.journals() {
		return nil
	}
	var verdicts []Verdict
	for d := range e.inFlight {
		if e.backlog.settle(d, DeadUnknownOutcome) {
			verdicts = append(verdicts, d.givenUp(DeadUnknownOutcome)...)
		}
	}
	for _, d := range e.backlog.abandon(time.Time{}, true) {
		verdicts = append(verdicts, d.givenUp(DeadShutdown)...)
	}
	return verdicts
}
