package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// BreakerState is what an endpoint's circuit breaker lets through.
type BreakerState uint32

const (
	BreakerClosed   BreakerState = iota // every request
	BreakerOpen                         // none: events wait
	BreakerHalfOpen                     // one, the probe
)

// String is "closed", "open" or "half_open".
func (s BreakerState) String() string {
	return [...]string{"closed", "open", "half_open"}[s]
}

// resetJitter is the part of reset_timeout that chance may add, so that a thousand endpoints don't probe at once.
const resetJitter = 0.1

// breaker opens after failure_threshold consecutive failures, and after reset_timeout lets one probe find out whether to
// close.
//
//	          failures = threshold                probe failed
//	┌────────┐ ────────────────► ┌──────┐ ◄──────────────────── ┌───────────┐
//	│ closed │                   │ open │                       │ half open │
//	└────────┘                   └──────┘ ────────────────────► └───────────┘
//	    ▲                                     reset_timeout           │
//	    └──────────────────────── probe succeeded ────────────────────┘
//
// Each change of state begins a generation; the result of a request of an earlier one moves nothing.
type breaker struct {
	settings config.CircuitBreaker
	jitter   func() float64 // 0 to 1

	state      BreakerState
	generation uint64
	failures   int       // consecutive ones, while closed
	openUntil  time.Time // while open
	probing    bool      // while half open: the probe is out
}

// tick lets an open breaker whose time is over go half open.
func (b *breaker) tick(now time.Time) {
	if b.state == BreakerOpen && !now.Before(b.openUntil) {
		b.enter(BreakerHalfOpen)
	}
}

// probeNow ends the wait of an open breaker.
func (b *breaker) probeNow() {
	b.enter(BreakerHalfOpen)
}

// allows tells whether a request may go out.
func (b *breaker) allows() bool {
	return b.state == BreakerClosed || b.state == BreakerHalfOpen && !b.probing
}

// begin notes that a request goes out and returns the generation that its result has to bring back.
func (b *breaker) begin() uint64 {
	b.probing = b.state == BreakerHalfOpen
	return b.generation
}

// succeed takes a result that is no failure.
func (b *breaker) succeed(generation uint64) {
	if generation != b.generation {
		return
	}
	b.failures = 0
	if b.state == BreakerHalfOpen {
		b.enter(BreakerClosed)
	}
}

// fail takes a failure.
func (b *breaker) fail(generation uint64, now time.Time) {
	if generation != b.generation {
		return
	}
	b.failures++
	if b.state == BreakerHalfOpen || b.failures >= b.settings.FailureThreshold {
		b.enter(BreakerOpen)
		b.openUntil = now.Add(b.settings.ResetTimeout + time.Duration(b.jitter()*resetJitter*float64(b.settings.ResetTimeout)))
	}
}

// ignore takes a result that says nothing of the endpoint's health; another probe may find out.
func (b *breaker) ignore(generation uint64) {
	if generation == b.generation {
		b.probing = false
	}
}

func (b *breaker) enter(state BreakerState) {
	b.state = state
	b.generation++
	b.failures = 0
	b.probing = false
}
