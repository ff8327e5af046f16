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
	}
	switch {
	case a.panicked:
		o.breaker.ignore(c.era)
		o.blame(c, "panic", len(c.next().passages) > 1)
	case a.cutShort:
		o.endCutShort(c, a)
	case a.outcome.Kind == messages.OutcomeDelivered:
		o.deliver(c)
	case a.outcome.Kind == messages.OutcomeRejected:
		o.reject(c, a.outcome.Status)
	default:
		o.endInVain(c, a.outcome)
	}
	o.drainOn()
	o.expire()
}

func (o *oracle) deliver(c *cargo) {
	o.delivered += len(c.next().passages)
	o.breaker.well(c.era)
	if c.delivered {
		o.seen["parts of a batch delivered"]++
	}
	c.delivered = true
	o.finish(c, func(p *passage) { o.settle(p, "delivered") })
}

// reject takes a refusal. A batch that is refused in all its parts is one failure.
func (o *oracle) reject(c *cargo, status int) {
	l := c.next()
	l.deliveredBefore = o.delivered
	splits := len(l.passages) > 1 && (status == 400 || status == 413 || status == 422)
	switch {
	case o.Batch.MaxEvents == 1 || c.delivered:
		o.breaker.well(c.era)
	case !splits && len(c.parts) == 1:
		if o.breaker.fail(c.era, o.now) {
			o.seen["breaker opened by refusals"]++
		}
	case o.breaker.state == halfOpen && o.breaker.era == c.era:
		o.breaker.ignore(c.era)
		o.unfinished = c
	}
	o.blame(c, "rejected", splits)
}

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

func (o *oracle) endInVain(c *cargo, outcome messages.Outcome) {
	l := c.next()
	charged := false
	switch {
	case outcome.PauseAsked:
		o.paused = latest(o.paused, o.now.Add(min(outcome.Pause, o.Retry.MaxRetryAfter)))
		o.breaker.ignore(c.era)
		o.seen["pause"]++
	default:
		if o.breaker.fail(c.era, o.now) {
			o.seen["breaker opened"]++
		}
		charged = o.charge(l, outcome)
	}
	l.deliveredBefore = o.delivered
	exhausted := charged && l.charged >= o.Retry.MaxAttempts
	if o.Retry.MaxAttempts == 1 && (outcome.Sent || exhausted) || exhausted && len(l.passages) == 1 {
		o.finish(c, func(p *passage) { o.lose(p, "max_attempts") })
		return
	}
	for _, p := range l.passages {
		if o.givenUp[p.event].Equal(o.now) {
			o.breaks("max_attempts bounds the attempts charged, and none is charged to an endpoint that is away",
				"%v was given up with %d charged", p, l.charged)
		}
	}
	c.due = o.now.Add(o.backoff(l.failures))
	l.failures++
	if exhausted {
		o.seen["split when exhausted"]++
		c.split()
	}
}

// charge counts a failure against its events: always where the endpoint took the request, and where it was away only if it
// delivered another event since their previous attempt.
func (o *oracle) charge(l *load, outcome messages.Outcome) bool {
	charged := outcome.Kind == messages.OutcomeFailed
	if !charged && l.tries > 1 {
		charged = o.delivered > l.deliveredBefore
		o.seen[map[bool]string{true: "away, and charged", false: "away, and not charged"}[charged]]++
	}
	if charged {
		l.charged++
	}
	return charged
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
	p.endReplay(fate, o.seen)
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
