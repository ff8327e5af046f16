package simulation

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// breakerReading is what the rules say of an endpoint's breaker.
type breakerReading struct {
	config.CircuitBreaker
	jitter     func(time.Time) float64
	state      breakerState
	era        int // of changes of state: a result of an earlier one moves nothing
	failures   int
	rejections int  // with nothing delivered between
	refused    bool // they opened it
	opened     []span
	unseen     bool // it went half open, and the endpoint need not have looked yet
	probing    bool
}

// span is a time in which a breaker is open.
type span struct{ from, to time.Time }

type breakerState string

const (
	closed   breakerState = "closed"
	open     breakerState = "open"
	halfOpen breakerState = "half_open"
)

func (b *breakerReading) enter(state breakerState) {
	b.state = state
	b.era++
	b.failures = 0
	b.probing = false
	b.unseen = false
}

func (b *breakerReading) open(now time.Time) {
	b.enter(open)
	added := time.Duration(b.jitter(now) * float64(b.ResetTimeout) / 10)
	b.opened = append(b.opened, span{now, now.Add(b.ResetTimeout + added)})
}

// openUntil is when it goes half open; the zero time when it is not open.
func (b *breakerReading) openUntil() time.Time {
	if b.state != open {
		return time.Time{}
	}
	return b.opened[len(b.opened)-1].to
}

func (b *breakerReading) tick(now time.Time) {
	if b.state == open && !now.Before(b.openUntil()) {
		b.enter(halfOpen)
		b.unseen = true
	}
}

// probeNow ends the wait.
func (b *breakerReading) probeNow(now time.Time) {
	b.opened[len(b.opened)-1].to = now
	b.enter(halfOpen)
}

// awakeBetween is the time between two moments without that in which it was open.
func (b *breakerReading) awakeBetween(from, to time.Time) time.Duration {
	awake := to.Sub(from)
	for _, s := range b.opened {
		awake -= max(0, earliest(s.to, to).Sub(latest(s.from, from)))
	}
	return awake
}

// probe notes that the probe goes out.
func (b *breakerReading) probe() {
	b.probing = true
	b.unseen = false
}

func (b *breakerReading) isProbe(era int) bool { return b.state == halfOpen && b.era == era }

func (b *breakerReading) delivered(era int) {
	if era == b.era {
		b.rejections, b.refused = 0, false
	}
	b.well(era)
}

func (b *breakerReading) well(era int) {
	if era != b.era {
		return
	}
	b.failures = 0
	if b.state == halfOpen {
		b.enter(closed)
	}
}

func (b *breakerReading) fail(era int, now time.Time) (opens bool) {
	if era != b.era {
		return false
	}
	b.failures++
	opens = b.state == halfOpen || b.failures >= b.FailureThreshold
	if opens {
		b.open(now)
	}
	return opens
}

// reject counts a rejection that may be the endpoint's fault.
func (b *breakerReading) reject(era int, now time.Time) (opens bool) {
	if era != b.era {
		return false
	}
	b.rejections++
	opens = b.RejectionThreshold != config.NoRejectionThreshold && b.rejections >= int(b.RejectionThreshold)
	if opens {
		b.refused = true
		b.open(now)
	}
	return opens
}

func (b *breakerReading) ignore(era int) {
	if era == b.era {
		b.probing = false
	}
}
