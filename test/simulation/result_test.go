package simulation

import (
	"slices"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// end takes the result of an attempt, by the table of what an answer means.
func (o *oracle) end(a *attempt) {
	p := o.passages[a.events[0]]
	if p == nil || p.place() != flying {
		return // its beginning was a violation
	}
	c := p.cargo
	o.flying--
	c.place, c.due = retrying, o.now
	if !a.panicked {
		o.account.attempts[a.outcome.Kind]++
		o.throttles.hear(a)
	}
	switch {
	case a.panicked:
		c.next().deliveredBefore = o.delivered
		o.breaker.ignore(c.era)
		o.blame(c, "panic", len(c.next().passages) > 1)
	case a.cutShort:
		o.endCutShort(c, a)
	case a.outcome.Kind == messages.OutcomeDelivered:
		o.deliver(c)
	case a.outcome.Kind == messages.OutcomeRejected:
		o.reject(c, a.outcome)
	default:
		o.endInVain(c, a.outcome)
	}
	o.drainOn()
	o.expire()
}

func (o *oracle) deliver(c *cargo) {
	o.delivered += len(c.next().passages)
	o.breaker.delivered(c.era)
	if c.delivered {
		o.seen["parts of a batch delivered"]++
	}
	c.delivered = true
	o.finish(c, func(p *passage) { o.settle(p, "delivered") })
}

// reject takes a refusal. A batch that is refused in all its parts is one failure.
func (o *oracle) reject(c *cargo, outcome messages.Outcome) {
	l := c.next()
	if o.breaker.isProbe(c.era) && o.breaker.refused {
		o.seen["rejected probe kept"]++
		o.breaker.fail(c.era, o.now)
		o.charge(c, outcome)
		return
	}
	l.deliveredBefore = o.delivered
	splits := len(l.passages) > 1 && refusedForOne(outcome.Status)
	aboutEvent := slices.Contains([]int{0, 404, 405, 410, 413}, outcome.Status)
	switch {
	case !splits && !aboutEvent && o.breaker.reject(c.era, o.now):
		o.seen["breaker opened by rejections"]++
	case o.Batch.MaxEvents == 1 || c.delivered:
		o.breaker.well(c.era)
	case !splits && len(c.parts) == 1:
		if o.breaker.fail(c.era, o.now) {
			o.seen["breaker opened by refusals"]++
		}
	case o.breaker.isProbe(c.era):
		o.breaker.ignore(c.era)
		o.unfinished = c
	}
	o.blame(c, "rejected", splits)
}

func refusedForOne(status int) bool { return status == 400 || status == 413 || status == 422 }

// blame gives up what went out, or takes it apart to find the event that is to blame.
func (o *oracle) blame(c *cargo, reason string, splits bool) {
	if splits {
		o.seen["split"]++
		c.split()
		return
	}
	o.finish(c, func(p *passage) { o.lose(p, reason) })
}

// finish ends what went out. What is left of a batch goes out at once.
func (o *oracle) finish(c *cargo, end func(*passage)) {
	for _, p := range slices.Clone(c.next().passages) {
		end(p)
	}
	c.due = o.now
}

func (o *oracle) endCutShort(c *cargo, a *attempt) {
	switch {
	case !o.drain.expired(o.now):
		o.breaks("no request is cancelled before the drain's cutoff", "%v", a)
	case a.outcome.Sent:
		o.finish(c, func(p *passage) { o.lose(p, "unknown_outcome") })
	}
}

// endInVain takes an attempt that was not delivered, and not rejected.
func (o *oracle) endInVain(c *cargo, outcome messages.Outcome) {
	switch outcome.Kind {
	case messages.OutcomeThrottled:
		o.paused = latest(o.paused, o.now.Add(o.throttle(c, outcome)))
		o.breaker.ignore(c.era)
		o.again(c, outcome)
	case messages.OutcomeLocal:
		o.seen["local"]++
		o.breaker.ignore(c.era)
		o.again(c, outcome)
	case messages.OutcomeNotProcessed:
		o.breaker.ignore(c.era)
		if l := c.next(); !l.unprocessed {
			o.seen["not processed, the first time"]++
			l.unprocessed, l.deliveredBefore = true, o.delivered
			return
		}
		o.seen["not processed, again"]++
		o.beAway(c, outcome)
	case messages.OutcomeAway:
		o.fail(c)
		o.beAway(c, outcome)
	default:
		o.fail(c)
		o.charge(c, outcome)
	}
}

func (o *oracle) fail(c *cargo) {
	if o.breaker.fail(c.era, o.now) {
		o.seen["breaker opened"]++
	}
}

// charge counts an attempt against its events.
func (o *oracle) charge(c *cargo, outcome messages.Outcome) {
	l := c.next()
	l.charged++
	if l.charged >= o.Retry.MaxAttempts {
		o.exhaust(c, outcome, "max_attempts")
		return
	}
	o.wait(c)
}

// beAway gives events up that others were delivered before, again and again, for as long as give_up_after while the
// breaker was not open.
func (o *oracle) beAway(c *cargo, outcome messages.Outcome) {
	l := c.next()
	if l.tries > 1 && o.delivered > l.deliveredBefore {
		l.passedOver = slices.Concat(l.passedOver, []time.Time{o.now})
		o.seen["away, though others were delivered"]++
		enough := len(l.passedOver) >= 20 && len(l.passedOver) >= o.Retry.MaxAttempts
		if enough && o.breaker.awakeBetween(l.passedOver[0], o.now) >= o.Retry.GiveUpAfter {
			o.exhaust(c, outcome, "give_up_after")
			return
		}
		if enough && o.now.Sub(l.passedOver[0]) >= o.Retry.GiveUpAfter {
			o.seen["away for long, but the breaker was open"]++
		}
	}
	o.again(c, outcome)
}

// exhaust gives events up, or takes them apart.
func (o *oracle) exhaust(c *cargo, outcome messages.Outcome, reason string) {
	l := c.next()
	if len(l.passages) == 1 || o.Retry.MaxAttempts == 1 && processed(outcome) {
		o.finish(c, func(p *passage) { o.lose(p, reason) })
		return
	}
	o.wait(c)
	o.seen["split when exhausted"]++
	c.split()
}

// again lets events go out again that were charged nothing.
func (o *oracle) again(c *cargo, outcome messages.Outcome) {
	if o.Retry.MaxAttempts == 1 && processed(outcome) {
		o.finish(c, func(p *passage) { o.lose(p, "max_attempts") })
		return
	}
	o.wait(c)
}

// processed tells whether the receiver may have done something with the request.
func processed(outcome messages.Outcome) bool {
	refused := outcome.Kind == messages.OutcomeRejected && refusedForOne(outcome.Status)
	return outcome.Sent && outcome.Kind != messages.OutcomeNotProcessed && !refused
}

func (o *oracle) wait(c *cargo) {
	l := c.next()
	for _, p := range l.passages {
		if letter := o.givenUp[p.event]; len(l.passages) == 1 && letter != nil && letter.Time.Equal(o.now) {
			o.breaks("max_attempts bounds the attempts charged, and give_up_after the time in which others were delivered",
				"%v was given up for %s with %d charged, passed over at %v", p, letter.Reason, l.charged, l.passedOver)
		}
	}
	l.deliveredBefore = o.delivered
	c.due = o.now.Add(o.backoff(l.failures))
	l.failures++
}

func (o *oracle) backoff(n int) time.Duration {
	wait := float64(o.Retry.InitialInterval)
	for range n {
		wait = min(wait*o.Retry.Multiplier, float64(o.Retry.MaxInterval))
	}
	return min(time.Duration(wait+0.5), o.Retry.MaxInterval)
}

// settle gives an event its fate.
func (o *oracle) settle(p *passage, fate string) {
	p.fate = fate
	if p.replayed && fate == evicted {
		o.seen["replay evicted"]++
	}
	o.held = slices.DeleteFunc(o.held, func(other *passage) bool { return other == p })
	if p.cargo != nil {
		o.unload(p)
	}
	o.account.fates[fate]++
	o.drain.emptied(o.now, len(o.held))
}

// unload takes an event that has its fate off what it went with.
func (o *oracle) unload(p *passage) {
	for _, l := range p.cargo.parts {
		l.passages = slices.DeleteFunc(slices.Clone(l.passages), func(other *passage) bool { return other == p })
	}
	p.cargo.parts = slices.DeleteFunc(p.cargo.parts, func(l *load) bool { return len(l.passages) == 0 })
	if len(p.cargo.parts) == 0 {
		o.cargos = slices.DeleteFunc(o.cargos, func(c *cargo) bool { return c == p.cargo })
		p.cargo.place = gone
	}
}

// lose dead-letters an event.
func (o *oracle) lose(p *passage, reason string) {
	tries := 0
	if p.cargo != nil {
		for _, l := range p.cargo.parts {
			if slices.Contains(l.passages, p) {
				tries = l.tries
			}
		}
	}
	o.settle(p, deadLettered+reason)
	o.account.letters[p.number] = append(o.account.letters[p.number], letter{reason: reason, attempts: tries, at: o.now})
	if o.drain.on {
		o.account.lost++
	}
}
