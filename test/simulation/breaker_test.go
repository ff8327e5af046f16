package simulation

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// breakerReading is what the rules say of an endpoint's breaker. Chance decides when it goes half open: the reading has
// it so from the earliest moment on, and expects a probe by the latest.
type breakerReading struct {
	config.CircuitBreaker
	state    breakerState
	era      int // of changes of state: a result of an earlier one moves nothing
	failures int
	opened   time.Time // zero when it is not open, and known to be so
	probing  bool
}

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
	b.opened = time.Time{}
}

func (b *breakerReading) tick(now time.Time) {
	if opened := b.opened; b.state == open && !now.Before(opened.Add(b.ResetTimeout)) {
		b.enter(halfOpen)
		b.opened = opened
	}
}

// openAtLatest is until when it may still be open; zero when it is known not to be.
func (b *breakerReading) openAtLatest() time.Time {
	if b.opened.IsZero() {
		return time.Time{}
	}
	return b.opened.Add(b.ResetTimeout + b.ResetTimeout/10)
}

// mayBeOpen tells whether chance decides, at this moment, whether it is open or half open.
func (b *breakerReading) mayBeOpen(now time.Time) bool {
	return b.state == halfOpen && !now.After(b.openAtLatest())
}

// probeNow ends the wait.
func (b *breakerReading) probeNow() {
	b.enter(halfOpen)
}

// probe notes that the probe goes out.
func (b *breakerReading) probe() {
	b.probing = true
	b.opened = time.Time{}
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
		b.enter(open)
		b.opened = now
	}
	return opens
}

func (b *breakerReading) ignore(era int) {
	if era == b.era {
		b.probing = false
	}
}
