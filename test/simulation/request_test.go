package simulation

// begin checks a request that goes out.
func (o *oracle) begin(a *attempt) {
	c := o.cargoOf(a)
	if o.broken != nil {
		return
	}
	if o.checkEndpoint(c); o.broken != nil {
		return
	}
	if o.breaker.state == halfOpen {
		o.checkProbe(c)
		o.probes++
		c.probed = o.probes
		o.breaker.probe()
		o.seen["probe"]++
	} else {
		o.checkTurn(c)
	}
	if c.place == waiting {
		o.cargos = append(o.cargos, c)
	}
	o.unfinished = nil
	c.place = flying
	c.next().tries++
	c.era = o.breaker.era
	c.sent = o.now
	o.flying++
	o.rate.take(o.now)
}

// cargoOf finds what is sent, and checks that it may be.
func (o *oracle) cargoOf(a *attempt) *cargo {
	var passages []*passage
	for _, e := range a.events {
		passages = append(passages, o.passages[e])
	}
	first := passages[0]
	for _, p := range passages {
		o.checkEvent(p)
		if p.cargo != first.cargo {
			o.breaks("a batch is frozen: it brings the same events under the same id, until it is split", "%v", a)
		}
	}
	if o.broken != nil {
		return nil
	}
	c := first.cargo
	if c == nil {
		o.checkNew(passages)
		c = newCargo(passages)
	} else {
		o.checkSame(a, passages, c.next())
	}
	o.nameLoad(a, c.next())
	return c
}

func (o *oracle) checkEvent(p *passage) {
	switch p.place() {
	case gone:
		o.breaks("an event that has its fate is not sent again", "%v, which is %s", p, p.fate)
	case flying:
		o.breaks("an event is in flight once", "%v", p)
	case retrying:
		if o.now.Before(p.cargo.due) {
			o.breaks("the time between attempts is what backoff says", "%v is sent %v too early", p, p.cargo.due.Sub(o.now))
		}
	}
}

func (o *oracle) checkEndpoint(c *cargo) {
	switch free := o.rate.freeAt(o.now); {
	case o.drain.expired(o.now):
		o.breaks("nothing is sent after the drain's cutoff", "%v", c.next().passages)
	case o.flying >= o.Workers:
		o.breaks("no more requests are in flight than workers", "%v is one too many", c.next().passages)
	case o.now.Before(o.paused):
		o.breaks("nothing is sent while the endpoint is paused", "%v, %v too early", c.next().passages, o.paused.Sub(o.now))
	case o.now.Before(free):
		o.breaks("no more requests go out than the rate limit lets", "%v, %v too early", c.next().passages, free.Sub(o.now))
	case o.breaker.state == open:
		o.breaks("nothing is sent while the breaker is open", "%v", c.next().passages)
	case o.breaker.probing:
		o.breaks("one request goes out while the breaker is half open", "%v is another one", c.next().passages)
	case o.Workers == 1 && !c.has(o.held[0]):
		o.breaks("with workers: 1 events arrive in order, retries included", "%v went before %v", c.next().passages, o.held[0])
	}
	if free := o.now; o.RateLimit.PerSecond > 0 && o.rate.freeAt(free).Equal(free) && o.rate.level < 2*o.rate.token {
		o.seen["last of a burst"]++
	}
}

// checkTurn checks who goes first, where it is no probe.
func (o *oracle) checkTurn(c *cargo) {
	if c.place != waiting {
		return
	}
	for _, other := range o.cargos {
		if other.place == retrying && !other.due.After(o.now) {
			o.breaks("retries that are due go before events never sent", "%v went before %v", c.next().passages, other.next().passages)
		}
	}
}

// checkProbe checks that the probe is the rest of one that was split, or what was a probe longest ago.
func (o *oracle) checkProbe(c *cargo) {
	if o.unfinished != nil && o.unfinished.place == retrying {
		o.seen["rest of a probe"]++
		if c != o.unfinished {
			o.breaks("a probe is one batch, to its end", "%v went before %v", c.next().passages, o.unfinished.next().passages)
		}
		return
	}
	if o.Workers == 1 {
		return
	}
	if c.probed == 0 && o.probes > 0 && c.next().tries > 0 {
		o.seen["probe of another event"]++
	}
	for _, other := range o.cargos {
		if other != c && other.place == retrying && !other.due.After(o.now) && other.probed < c.probed {
			o.breaks("a probe is another event each time where there is another", "%v was probe %d, and %v was probe %d (0 is never)",
				c.next().passages, c.probed, other.next().passages, other.probed)
		}
	}
	if at, ok := o.nextBatch(); c.probed > 0 && ok && !at.After(o.now) {
		o.breaks("a probe is another event each time where there is another", "%v was probe %d, and events wait that were none",
			c.next().passages, c.probed)
	}
}
