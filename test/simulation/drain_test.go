package simulation

import (
	"slices"
	"time"
)

// drainReading is what the rules say of an endpoint's shutdown.
type drainReading struct {
	on     bool
	cutoff time.Time // when what is left is given up
	end    time.Time // when it is given up indeed: a cancelled Close brings it forward
	probed bool      // the one probe of an open breaker is spent
	over   time.Time // when nothing was held any more; zero before
}

func (d *drainReading) expired(now time.Time) bool       { return d.on && !now.Before(d.end) }
func (d *drainReading) expiresBy(now time.Time) bool     { return d.over.IsZero() && d.expired(now) }
func (d *drainReading) expiresBefore(now time.Time) bool { return d.on && d.end.Before(now) }

func (d *drainReading) emptied(now time.Time, held int) {
	if d.on && held == 0 && d.over.IsZero() {
		d.over = now
	}
}

// shutDown begins the drain, or brings its cutoff forward. It is cancelled at the given time, zero for never.
func (o *oracle) shutDown(cutoff, cancelled time.Time) {
	d := &o.drain
	if !d.on {
		*d = drainReading{on: true, cutoff: cutoff, end: cutoff}
	}
	d.cutoff, d.end = earliest(d.cutoff, cutoff), earliest(d.end, cutoff)
	if !cancelled.IsZero() {
		d.end = earliest(d.end, cancelled)
	}
	d.emptied(o.now, len(o.held))
	o.drainOn()
}

// drainOn gives up what nobody waits for, and gives an open breaker its probe.
func (o *oracle) drainOn() {
	d := &o.drain
	if !d.on {
		return
	}
	if d.expired(o.now) || o.paused.After(d.cutoff) || d.probed && o.breaker.state == open {
		o.giveUpAll()
		return
	}
	o.giveUp(func(p *passage) bool { return p.place() == retrying && p.cargo.due.After(d.cutoff) })
	if o.breaker.state == open {
		d.probed = true
		o.breaker.probeNow(o.now)
		o.seen["probe of a drain"]++
	}
}

func (o *oracle) giveUpAll() {
	o.giveUp(func(p *passage) bool { return p.place() != flying })
}

func (o *oracle) giveUp(which func(*passage) bool) {
	for _, p := range slices.Clone(o.held) {
		if which(p) {
			o.lose(p, "shutdown")
		}
	}
}
