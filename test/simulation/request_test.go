package simulation

import "slices"

// begin checks a request that goes out.
func (o *oracle) begin(p *passage) {
	if !o.mayBegin(p) {
		return
	}
	if o.breaker.state == halfOpen {
		o.checkProbe(p)
		o.probes++
		p.probed = o.probes
		o.breaker.probe()
		o.seen["probe"]++
	} else {
		o.checkTurn(p)
	}
	p.place = flying
	p.tries++
	p.era = o.breaker.era
	o.flying++
}

func (o *oracle) mayBegin(p *passage) bool {
	if o.checkEvent(p); o.broken == nil {
		o.checkEndpoint(p)
	}
	return o.broken == nil
}

func (o *oracle) checkEvent(p *passage) {
	switch p.place {
	case gone:
		o.breaks("an event that has its fate is not sent again", "%v, which is %s", p, p.fate)
	case flying:
		o.breaks("an event is in flight once", "%v", p)
	case retrying:
		if o.now.Before(p.due) {
			o.breaks("the time between attempts is what backoff says", "%v is sent %v too early", p, p.due.Sub(o.now))
		}
	}
}

func (o *oracle) checkEndpoint(p *passage) {
	switch {
	case o.drain.expired(o.now):
		o.breaks("nothing is sent after the drain's cutoff", "%v", p)
	case o.flying >= o.Workers:
		o.breaks("no more requests are in flight than workers", "%v is one too many", p)
	case o.now.Before(o.paused):
		o.breaks("nothing is sent while the endpoint is paused", "%v, %v too early", p, o.paused.Sub(o.now))
	case o.breaker.state == open:
		o.breaks("nothing is sent while the breaker is open", "%v", p)
	case o.breaker.probing:
		o.breaks("one request goes out while the breaker is half open", "%v is another one", p)
	case o.Workers == 1 && o.held[0] != p:
		o.breaks("with workers: 1 events arrive in order, retries included", "%v went before %v", p, o.held[0])
	}
}

// checkTurn checks who goes first, where it is no probe.
func (o *oracle) checkTurn(p *passage) {
	if p.place != waiting {
		return
	}
	for _, other := range o.held {
		if other.place == retrying && !other.due.After(o.now) {
			o.breaks("retries that are due go before events never sent", "%v went before %v", p, other)
		}
	}
	o.checkFirstOfWaiting(p)
}

func (o *oracle) checkFirstOfWaiting(p *passage) {
	first := slices.IndexFunc(o.held, func(other *passage) bool { return other.place == waiting })
	if o.held[first] != p {
		o.breaks("events never sent go out in the order of acceptance", "%v went before %v", p, o.held[first])
	}
}

// checkProbe checks that the probe is the event whose latest probe is furthest back.
func (o *oracle) checkProbe(p *passage) {
	if o.Workers == 1 {
		return
	}
	if p.place == waiting {
		o.checkFirstOfWaiting(p)
	}
	if p.probed == 0 && o.probes > 0 && p.tries > 0 {
		o.seen["probe of another event"]++
	}
	for _, other := range o.held {
		if other != p && o.couldProbe(other) && other.probed < p.probed {
			o.breaks("a probe is another event each time where there is another", "%v was probe %d, and %v was probe %d (0 is never)",
				p, p.probed, other, other.probed)
		}
	}
}

func (o *oracle) couldProbe(p *passage) bool {
	return p.place == waiting || p.place == retrying && !p.due.After(o.now)
}
