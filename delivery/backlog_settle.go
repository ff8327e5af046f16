package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// settleOutgoing gives the events of a delivery in flight that went out their fate. It is true when others are left,
// which go out next. Dead-lettered events take room until Leave.
func (b *Backlog) settleOutgoing(d *Delivery, fate Fate) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	outgoing := d.outgoing()
	b.inFlight -= len(outgoing)
	b.end(outgoing, fate)
	more = d.proceed()
	if !more {
		d.place = gone
	}
	return more
}

// settle gives all events that are left of a delivery their fate, wherever it is. Dead-lettered ones take room until
// Leave. It is false, and nothing happens, when all have a fate already.
func (b *Backlog) settle(d *Delivery, fate Fate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settleLocked(d, fate)
}

func (b *Backlog) settleLocked(d *Delivery, fate Fate) bool {
	switch d.place {
	case gone:
		return false
	case retrying:
		b.leaveRetries(d)
	case inFlight:
		b.inFlight -= d.size()
	}
	d.place = gone
	for _, part := range d.parts() {
		b.end(part.arrivals, fate)
	}
	return true
}

func (b *Backlog) end(arrivals []arrival, fate Fate) {
	b.ledger.fates[fate] += uint64(len(arrivals))
	for _, a := range arrivals {
		if fate.Kind() == KindDeadLettered {
			b.leaving++
		} else {
			b.release(a.event)
			if b.journal != nil {
				b.journal.End(Stub{a.place(), a.event.Size()}, fate)
			}
		}
	}
}

// Leave frees the room of a dead-lettered event. It is lost when no place kept it.
func (b *Backlog) Leave(event *messages.Envelope, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving--
	b.release(event)
	if lost {
		b.ledger.Lost++
	}
}

// abandon dead-letters, because of the shutdown, the retries that are due after the given time, and with waitingToo the
// events never sent. It returns what it gave up, in the order of acceptance of each kind.
func (b *Backlog) abandon(dueAfter time.Time, waitingToo bool) []*Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var abandoned []*Delivery
	for _, d := range b.retries.byDue.items {
		if d.due.After(dueAfter) {
			abandoned = append(abandoned, d)
		}
	}
	for waitingToo {
		taken, ok := b.takeWaiting()
		if !ok {
			break
		}
		abandoned = append(abandoned, b.newDelivery(taken))
	}
	sortByAcceptance(abandoned)
	for _, d := range abandoned {
		b.settleLocked(d, DeadShutdown)
	}
	return abandoned
}

// expire dead-letters, because of their age, the events accepted at the given time or before it that are not in flight; a
// batch that was sent when all of its events are. It returns what it gave up, in the order of acceptance of each kind.
func (b *Backlog) expire(acceptedBy time.Time) []*Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var expired []*Delivery
	for d := b.retries.oldest(); d != nil && !d.latest().After(acceptedBy); d = b.retries.oldest() {
		b.settleLocked(d, DeadMaxAge)
		expired = append(expired, d)
	}
	for b.waiting.events > 0 && !b.waiting.first().at.After(acceptedBy) {
		taken, _ := b.takeWaiting()
		d := b.newDelivery(taken)
		b.settleLocked(d, DeadMaxAge)
		expired = append(expired, d)
	}
	return expired
}

// oldestAcceptance is when the event was accepted that expire gives up next; false when there is none, and then the owner
// hears of the next event.
func (b *Backlog) oldestAcceptance() (at time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.retries.oldest(); d != nil {
		at, ok = d.latest(), true
	}
	if b.waiting.events > 0 && (!ok || b.waiting.first().at.Before(at)) {
		at, ok = b.waiting.first().at, true
	}
	if !ok {
		b.demand = demandsEvent
	}
	return at, ok
}
