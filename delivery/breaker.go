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

// resetJitter is the part of reset_timeout that chance may add, so that a thousand endpoints don't probe at once: a tenth.
const resetJitter = 10

// breaker opens after failure_threshold consecutive failures, or after rejection_threshold rejections with nothing
// delivered between, and after reset_timeout lets one probe find out whether to close.
//
//	       failures = threshold, or
//	       rejections = threshold                  probe failed
//	┌────────┐ ────────────────► ┌──────┐ ◄──────────────────── ┌───────────┐
//	│ closed │                   │ open │                       │ half open │
//	└────────┘                   └──────┘ ────────────────────► └───────────┘
//	    ▲                                     reset_timeout           │
//	    └──────────────────────── probe succeeded ────────────────────┘
//
// A rejected probe succeeded, but where rejections opened the breaker: then it failed.
//
// Each change of state begins a generation; the result of a request of an earlier one moves nothing.
type breaker struct {
	settings config.CircuitBreaker
	jitter   func() float64 // 0 to 1

	state      BreakerState
	generation uint64
	failures   int  // consecutive ones, while closed
	rejections int  // since the latest delivery
	refused    bool // rejections opened it, and nothing was delivered since
	openSince  time.Time
	openUntil  time.Time     // while open
	wasOpen    time.Duration // in all, before it opened last
	probing    bool          // while half open: the probe is out
}

// tick lets an open breaker whose time is over go half open.
func (b *breaker) tick(now time.Time) {
	if b.state == BreakerOpen && !now.Before(b.openUntil) {
		b.halfOpen(b.openUntil)
	}
}

// probeNow ends the wait of an open breaker.
func (b *breaker) probeNow(now time.Time) {
	b.halfOpen(now)
}

func (b *breaker) halfOpen(at time.Time) {
	b.wasOpen += at.Sub(b.openSince)
	b.enter(BreakerHalfOpen)
}

// awake is the time, which tick has been told, on a clock that stands still while the breaker is open.
func (b *breaker) awake(now time.Time) time.Time {
	if b.state == BreakerOpen {
		now = b.openSince
	}
	return now.Add(-b.wasOpen)
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

// deliver takes a delivery.
func (b *breaker) deliver(generation uint64) {
	if generation == b.generation {
		b.rejections, b.refused = 0, false
		b.succeed(generation)
	}
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

// reject counts a rejection that may be about the endpoint, beside what it is otherwise, and tells whether it opens the
// breaker.
func (b *breaker) reject(generation uint64, now time.Time) (opens bool) {
	if generation != b.generation {
		return false
	}
	b.rejections++
	if threshold := b.settings.RejectionThreshold; threshold == config.NoRejectionThreshold || b.rejections < int(threshold) {
		return false
	}
	b.refused = true
	b.open(now)
	return true
}

// fail takes a failure.
func (b *breaker) fail(generation uint64, now time.Time) {
	if generation != b.generation {
		return
	}
	b.failures++
	if b.state == BreakerHalfOpen || b.failures >= b.settings.FailureThreshold {
		b.open(now)
	}
}

// isProbe tells whether the request of this generation is the probe.
func (b *breaker) isProbe(generation uint64) bool {
	return b.state == BreakerHalfOpen && generation == b.generation
}

// ignore takes a result that says nothing of the endpoint's health; another probe may find out.
func (b *breaker) ignore(generation uint64) {
	if generation == b.generation {
		b.probing = false
	}
}

func (b *breaker) open(now time.Time) {
	b.enter(BreakerOpen)
	b.openSince = now
	b.openUntil = now.Add(b.settings.ResetTimeout + time.Duration(b.jitter()*float64(b.settings.ResetTimeout/resetJitter)))
}

func (b *breaker) enter(state BreakerState) {
	b.state = state
	b.generation++
	b.failures = 0
	b.probing = false
}
