package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/store"
)

// oracle reads what one receiver saw, and knows from the rules of behaviour alone what may happen next, and what must.
// It works because no two things that an endpoint hears of happen at the same moment.
type oracle struct {
	config.Endpoint
	began time.Time
	now   time.Time

	passages   map[*event]*passage
	held       []*passage // in the order of acceptance
	cargos     []*cargo   // of the events held that were sent
	unfinished *cargo     // a probe that was split, whose rest is the probe
	ids        map[string]bool
	rate       rateReading
	account    account
	flying     int // requests
	arrivals   int
	delivered  int
	probes     int
	breaker    breakerReading
	paused     time.Time // until then
	drain      drainReading
	throttles  throttleReading
	givenUp    map[*event]*store.DeadLetter // by the endpoint, for its attempts or their time
	seen       map[string]int               // how often a scenario came to what it is meant to reach

	broken *violation
	story  []moment
}

// violation is a rule that was broken.
type violation struct {
	rule, detail string
}

func newOracle(endpoint config.Endpoint, began time.Time, jitter func(time.Time) float64) *oracle {
	return &oracle{
		Endpoint: endpoint,
		began:    began,
		now:      began,
		passages: map[*event]*passage{},
		ids:      map[string]bool{},
		rate:     newRateReading(endpoint.RateLimit, began),
		account:  newAccount(),
		breaker:  breakerReading{CircuitBreaker: endpoint.CircuitBreaker, jitter: jitter, state: closed},
		givenUp:  map[*event]*store.DeadLetter{},
		seen:     map[string]int{},
	}
}

// breaks notes the first violation.
func (o *oracle) breaks(rule, detail string, args ...any) {
	if o.broken == nil {
		o.broken = &violation{rule, fmt.Sprintf("endpoint %s at %v: ", o.Name, o.now.Sub(o.began)) + fmt.Sprintf(detail, args...)}
	}
}

// read takes what the receiver saw up to now, when everything that was due has happened.
func (o *oracle) read(moments []moment, now time.Time) {
	o.story = append(o.story, moments...)
	for len(moments) > 0 && o.broken == nil {
		at := moments[0].at
		o.elapse(at)
		same := slices.IndexFunc(moments, func(m moment) bool { return m.at != at })
		if same < 0 {
			same = len(moments)
		}
		o.readMoment(moments[:same])
		moments = moments[same:]
	}
	if o.broken != nil {
		return
	}
	o.elapse(now)
	if at, ok := o.mustSendBy(); ok && !at.After(now) {
		o.stuck(at)
	}
}

// readMoment takes what happened at one moment: results come before what they allow, and of the requests that go out
// together nobody sees the order.
func (o *oracle) readMoment(moments []moment) {
	var begun []*attempt
	for _, m := range moments {
		if m.ends {
			o.end(m.attempt)
			continue
		}
		for _, e := range m.events {
			if o.passages[e] == nil {
				o.breaks("an endpoint gets only events that its filters let through and that were not dropped", "%v was sent", e)
				return
			}
		}
		begun = append(begun, m.attempt)
	}
	slices.SortStableFunc(begun, func(a, b *attempt) int {
		first, second := o.passages[a.events[0]], o.passages[b.events[0]]
		return cmp.Or(cmp.Compare(newOnes(first), newOnes(second)), cmp.Compare(first.order, second.order))
	})
	for _, a := range begun {
		if o.begin(a); o.broken != nil {
			return
		}
	}
}

// newOnes puts events never sent behind the others.
func newOnes(p *passage) int {
	if p.cargo == nil {
		return 1
	}
	return 0
}

// elapse lets time pass up to a moment at which something happens.
func (o *oracle) elapse(until time.Time) {
	for at, ok := o.nextEnd(until); ok; at, ok = o.nextEnd(until) {
		o.checkNotStuck(at)
		o.now = at
		if o.drain.expiresBy(at) {
			o.giveUpAll()
		}
		o.expire()
	}
	o.checkNotStuck(until)
	if o.drain.expiresBefore(until) && o.flying > 0 {
		o.breaks("requests in flight are cancelled at the drain's cutoff", "%d are in flight", o.flying)
	}
	o.now = until
	o.breaker.tick(until)
}

// nextEnd is when events are given up next, of age or at the drain's cutoff.
func (o *oracle) nextEnd(until time.Time) (time.Time, bool) {
	at, ok := o.nextExpiry()
	if o.drain.expiresBy(until) && o.holdsIdle() && (!ok || !o.drain.end.After(at)) {
		at, ok = latest(o.drain.end, o.now), true
	}
	return at, ok && !at.After(until)
}

func (o *oracle) holdsIdle() bool {
	return slices.ContainsFunc(o.held, func(p *passage) bool { return p.place() != flying })
}

func (o *oracle) checkNotStuck(until time.Time) {
	if at, ok := o.mustSendBy(); ok && at.Before(until) {
		o.stuck(at)
	}
}

func (o *oracle) stuck(at time.Time) {
	o.breaks("no endpoint is stuck: what may go out goes out", "a request had to go out at %v", at.Sub(o.began))
}

// mustSendBy is when the next request goes out at the latest, if nothing else happens.
func (o *oracle) mustSendBy() (time.Time, bool) {
	if o.flying >= o.Workers || o.breaker.probing || o.drain.expired(o.now) {
		return time.Time{}, false
	}
	at, ok := o.nextDue()
	at = latest(at, o.now, o.paused, o.breaker.openUntil(), o.rate.freeAt(o.now))
	return at, ok && !o.drain.expired(at)
}

// nextDue is when the next event may go out as far as its backoff, the filling of batches and the order of events allow:
// at once, which is the zero time, where one was never sent and waits for no other.
func (o *oracle) nextDue() (next time.Time, found bool) {
	for _, c := range o.cargos {
		if c.place == retrying && (!found || c.due.Before(next)) {
			next, found = c.due, true
		}
	}
	if found && o.Workers == 1 {
		return next, true
	}
	if turn, ok := o.nextBatch(); ok && (!found || turn.Before(next)) {
		next, found = turn, true
	}
	return next, found
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

func earliest(times ...time.Time) time.Time {
	return slices.MinFunc(times, time.Time.Compare)
}
