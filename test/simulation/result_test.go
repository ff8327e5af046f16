package simulation

import (
	"slices"
	"time"

	"github.com/fluxmq/webhookd/httpclient"
)

// end takes the result of an attempt, by the table of what an answer means.
func (o *oracle) end(a *attempt) {
	p := o.passages[a.event]
	if p == nil || p.place != flying {
		return // its beginning was a violation
	}
	o.flying--
	p.place = retrying
	if !a.panicked {
		o.account.attempts[a.outcome.Kind]++
	}
	switch {
	case a.panicked:
		o.breaker.ignore(p.era)
		o.lose(p, "panic")
	case a.cutShort:
		o.endCutShort(p, a)
	case a.outcome.Kind == httpclient.Delivered:
		o.delivered++
		o.breaker.well(p.era)
		o.settle(p, "delivered")
	case a.outcome.Kind == httpclient.Rejected:
		o.breaker.well(p.era)
		o.lose(p, "rejected")
	default:
		o.endInVain(p, a.outcome)
	}
	p.deliveredBefore = o.delivered
	o.drainOn()
}

func (o *oracle) endCutShort(p *passage, a *attempt) {
	switch {
	case !o.drain.expired(o.now):
		o.breaks("no request is cancelled before the drain's cutoff", "%v", p)
	case a.outcome.Sent:
		o.lose(p, "unknown_outcome")
	default:
		o.lose(p, "shutdown")
	}
}

func (o *oracle) endInVain(p *passage, outcome httpclient.Outcome) {
	switch {
	case outcome.PauseAsked:
		o.paused = latest(o.paused, o.now.Add(min(outcome.Pause, o.Retry.MaxRetryAfter)))
		o.breaker.ignore(p.era)
		o.seen["pause"]++
	default:
		if o.breaker.fail(p.era, o.now) {
			o.seen["breaker opened"]++
		}
		o.charge(p, outcome)
	}
	if p.charged >= o.Retry.MaxAttempts || o.Retry.MaxAttempts == 1 && outcome.Sent {
		o.lose(p, "max_attempts")
		return
	}
	if o.givenUp[p.event].Equal(o.now) {
		o.breaks("max_attempts bounds the attempts charged, and none is charged to an endpoint that is away",
			"%v was given up with %d charged", p, p.charged)
	}
	p.due = o.now.Add(o.backoff(p.tries - 1))
}

// charge counts a failure against its event: always where the endpoint took the request, and where it was away only if it
// delivered another event since this one's previous attempt.
func (o *oracle) charge(p *passage, outcome httpclient.Outcome) {
	switch {
	case outcome.Kind == httpclient.Failed:
		p.charged++
	case p.tries > 1 && o.delivered > p.deliveredBefore:
		p.charged++
		o.seen["away, and charged"]++
	case p.tries > 1:
		o.seen["away, and not charged"]++
	}
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
	p.place, p.fate = gone, fate
	o.held = slices.DeleteFunc(o.held, func(other *passage) bool { return other == p })
	o.account.fates[fate]++
	o.drain.emptied(o.now, len(o.held))
}

// lose dead-letters an event.
func (o *oracle) lose(p *passage, reason string) {
	o.settle(p, deadLettered+reason)
	o.account.letters[p.number] = letter{reason: reason, attempts: p.tries, at: o.now}
	if o.drain.on {
		o.account.lost++
	}
}
