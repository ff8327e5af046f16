package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// oracle reads what one receiver saw, and knows from the rules of behaviour alone what may happen next, and what must.
// It works because no two things that an endpoint hears of happen at the same moment.
type oracle struct {
	config.Endpoint
	began time.Time
	now   time.Time

	passages  map[*event]*passage
	held      []*passage // in the order of acceptance
	account   account
	flying    int
	delivered int
	probes    int
	breaker   breakerReading
	paused    time.Time // until then
	drain     drainReading
	givenUp   map[*event]time.Time // by the endpoint, as refused max_attempts times
	seen      map[string]int       // how often a scenario came to what it is meant to reach

	broken *violation
	story  []moment
}

// passage is the way of one event to one endpoint.
type passage struct {
	*event
	order           int // of acceptance
	place           place
	tries           int
	charged         int
	deliveredBefore int // by the endpoint, when the latest attempt ended
	due             time.Time
	era             int // the breaker's, when the latest attempt began
	probed          int // the number of the latest probe that it was
	fate            string
}

type place string

const (
	waiting  place = "waiting"
	flying   place = "in flight"
	retrying place = "waiting for a retry"
	gone     place = "gone"
)

// violation is a rule that was broken.
type violation struct {
	rule, detail string
}

func newOracle(endpoint config.Endpoint, began time.Time) *oracle {
	return &oracle{
		Endpoint: endpoint,
		began:    began,
		now:      began,
		passages: map[*event]*passage{},
		account:  newAccount(),
		breaker:  breakerReading{CircuitBreaker: endpoint.CircuitBreaker, state: closed},
		givenUp:  map[*event]time.Time{},
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
	var begun []*passage
	for _, m := range moments {
		if m.ends {
			o.end(m.attempt)
			continue
		}
		p := o.passages[m.event]
		if p == nil {
			o.breaks("an endpoint gets only events that its filters let through and that were not dropped", "%v was sent", m.event)
			return
		}
		begun = append(begun, p)
	}
	slices.SortStableFunc(begun, func(a, b *passage) int {
		return cmp.Or(cmp.Compare(min(b.tries, 1), min(a.tries, 1)), cmp.Compare(a.order, b.order))
	})
	for _, p := range begun {
		if o.begin(p); o.broken != nil {
			return
		}
	}
}

// elapse lets time pass up to a moment at which something happens.
func (o *oracle) elapse(until time.Time) {
	if at, ok := o.mustSendBy(); ok && at.Before(until) {
		o.stuck(at)
	}
	if o.drain.expiresBefore(until) && o.flying > 0 {
		o.breaks("requests in flight are cancelled at the drain's cutoff", "%d are in flight", o.flying)
	}
	if o.drain.expiresBy(until) {
		o.now = o.drain.end
		o.giveUpAll()
	}
	o.now = until
	o.breaker.tick(until)
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
	at = latest(at, o.now, o.paused, o.breaker.openAtLatest())
	return at, ok && !o.drain.expired(at)
}

// nextDue is when the next event may go out as far as its backoff and the order of events allow: at once, which is the
// zero time, where one was never sent.
func (o *oracle) nextDue() (next time.Time, found bool) {
	for _, p := range o.held {
		switch {
		case p.place == waiting, p.place == retrying && o.Workers == 1:
			return p.due, true
		case p.place == retrying && (!found || p.due.Before(next)):
			next, found = p.due, true
		}
	}
	return next, found
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

func earliest(times ...time.Time) time.Time {
	return slices.MinFunc(times, time.Time.Compare)
}
