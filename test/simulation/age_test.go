package simulation

import (
	"slices"
	"time"
)

// nextExpiry is when the next events have waited for longer than they may.
func (o *oracle) nextExpiry() (next time.Time, found bool) {
	for _, p := range o.held {
		if at, ok := o.expiryOf(p); ok && (!found || at.Before(next)) {
			next, found = at, true
		}
	}
	return latest(next, o.now), found
}

// expiryOf is when an event has waited for too long; one that was sent, when the youngest that was sent with it has.
func (o *oracle) expiryOf(p *passage) (time.Time, bool) {
	switch {
	case o.MaxAge == 0 || p.place() == flying:
		return time.Time{}, false
	case p.cargo != nil:
		return p.cargo.youngest.Add(o.MaxAge), true
	}
	return p.came.Add(o.MaxAge), true
}

func (o *oracle) expire() {
	for _, p := range slices.Clone(o.held) {
		if at, ok := o.expiryOf(p); ok && !at.After(o.now) {
			o.lose(p, "max_age")
		}
	}
}
