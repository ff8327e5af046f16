package simulation

import (
	"maps"
	"time"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// Fates are named by their kind and reason, as metrics name them.
const (
	dropped      = "dropped "
	deadLettered = "dead_lettered "
	evicted      = dropped + "evicted"
)

// account is what must stand in an endpoint's ledger.
type account struct {
	accepted       uint64
	acceptedReplay uint64
	fates          map[string]uint64
	attempts       map[messages.OutcomeKind]uint64
	lost           uint64
	letters        map[int][]letter // by the event's number
}

// letter is a dead letter.
type letter struct {
	reason   string
	attempts int
	at       time.Time
}

func newAccount() account {
	return account{fates: map[string]uint64{}, attempts: map[messages.OutcomeKind]uint64{}, letters: map[int][]letter{}}
}

// balanced tells whether a ledger adds up; that holds at every moment.
func balanced(l delivery.Ledger) bool {
	fates := uint64(0)
	for _, n := range fatesOf(l) {
		fates += n
	}
	return l.Accepted == fates+uint64(l.Held())
}

// fatesOf lists what occurred, as in account.
func fatesOf(l delivery.Ledger) map[string]uint64 {
	fates := map[string]uint64{}
	for _, kind := range []string{delivery.KindDelivered, delivery.KindRouted, delivery.KindUnwanted} {
		if n := l.Total(kind); n > 0 {
			fates[kind] = n
		}
	}
	for reason, n := range l.ByReason(delivery.KindDropped) {
		fates[dropped+reason] = n
	}
	for reason, n := range l.ByReason(delivery.KindDeadLettered) {
		fates[deadLettered+reason] = n
	}
	return fates
}

// compare checks what the endpoint says of itself, when everything that was due has happened.
func (o *oracle) compare(stats actors.EndpointStats) {
	l := stats.Ledger
	waits, flies := o.count(waiting), o.count(flying)
	retries := len(o.held) - waits - flies
	switch {
	case !balanced(l):
		o.breaks("accepted = delivered + dropped + dead_lettered + held", "%+v", l)
	case l.Held() > o.QueueSize || l.Bytes > int64(o.QueueBytes):
		o.breaks("what an endpoint holds is within its bounds", "%+v", l)
	case l.Accepted != o.account.accepted:
		o.breaks("every event for an endpoint is accounted", "accepted %d, not %d", l.Accepted, o.account.accepted)
	case l.AcceptedReplay != o.account.acceptedReplay:
		o.breaks("a replayed dead letter is a new acceptance", "%d, not %d", l.AcceptedReplay, o.account.acceptedReplay)
	case !maps.Equal(fatesOf(l), o.account.fates):
		o.breaks("what became of an endpoint's events is as the rules say", "%v, not %v", fatesOf(l), o.account.fates)
	case l.InFlight != flies || l.Waiting != waits || l.Retrying != retries || l.Bytes != o.bytes():
		o.breaks("what an endpoint holds is as the rules say", "waiting %d, in flight %d, retrying %d, bytes %d; not %d, %d, %d, %d",
			l.Waiting, l.InFlight, l.Retrying, l.Bytes, waits, flies, retries, o.bytes())
	case l.Lost != o.account.lost:
		o.breaks("what was given up while stopping is lost", "%d, not %d", l.Lost, o.account.lost)
	case !o.breakerShows(stats.Breaker.String()):
		o.breaks("the breaker is in the state that the rules say", "%v, not %s", stats.Breaker, o.breaker.state)
	}
	for kind, n := range stats.Attempts {
		if n != o.account.attempts[kind] {
			o.breaks("attempts are counted", "%v %d, not %d", kind, n, o.account.attempts[kind])
		}
	}
}

func (o *oracle) count(where place) int {
	n := 0
	for _, p := range o.held {
		if p.place() == where {
			n++
		}
	}
	return n
}

// breakerShows tells whether this can be the breaker's state. An endpoint that is paused, waits for its rate limit, or has
// stopped, does not look.
func (o *oracle) breakerShows(state string) bool {
	gated := o.now.Before(o.paused) || o.now.Before(o.rate.freeAt(o.now))
	if o.breaker.unseen && gated || !o.drain.over.IsZero() {
		return (state == "closed") == (o.breaker.state == closed)
	}
	return state == string(o.breaker.state)
}
