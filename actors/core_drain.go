package actors

import "time"

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
