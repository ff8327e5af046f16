package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// TakeEvent hands out the event that has waited longest, or nil, and who waits for its receipt, or nil. The owner gives it
// its fate with SettleEvent.
func (b *Backlog) TakeEvent() (event *messages.Envelope, receipt func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken, _ := b.takeWaiting()
	return taken.event, taken.receipt
}

// SettleEvent ends what TakeEvent began.
func (b *Backlog) SettleEvent(event *messages.Envelope, fate Fate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	b.release(event)
	b.ledger.fates[fate]++
}

// take hands out the delivery whose turn it is, or nil: a retry that is due before an event never sent. When ordered, a
// retry holds back all that was accepted after it. For a probe it is the delivery whose latest probe is furthest back,
// so that one event can't keep a breaker open for all others.
func (b *Backlog) take(now time.Time, ordered, probe bool) *Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.retries.soonest()
	if next != nil && next.due.After(now) {
		if ordered {
			return nil
		}
		next = nil
	}
	if next != nil && probe && !ordered {
		next = b.retries.leastProbed(now)
		if next.probe > 0 && (b.ready(now) || b.awaitsReading()) {
			next = nil
		}
	}
	if next != nil {
		b.takeRetry(next)
		return next
	}
	return b.takeNew(now)
}

// resume hands out this delivery, if it waits for a retry that is due.
func (b *Backlog) resume(now time.Time, d *Delivery) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := d.place == retrying && !d.due.After(now)
	if due {
		b.takeRetry(d)
	}
	return due
}

func (b *Backlog) takeRetry(d *Delivery) {
	b.leaveRetries(d)
	d.place = inFlight
	b.inFlight += d.size()
}

func (b *Backlog) leaveRetries(d *Delivery) {
	b.retries.remove(d)
	b.retrying -= d.size()
}

// takeNew makes a delivery of events that wait.
func (b *Backlog) takeNew(now time.Time) *Delivery {
	if !b.batch.Batches() {
		taken, ok := b.takeWaiting()
		if !ok {
			return nil
		}
		return b.newDelivery(taken)
	}
	if !b.ready(now) {
		b.demand = demandsBatch
		if b.waiting.events == 0 {
			b.demand = demandsEvent
		}
		return nil
	}
	batch := newBatch(b.takeBatch())
	first := batch.outgoing[0]
	return &Delivery{tries: restored(first.tries), batch: batch, accepted: first.number}
}

func (b *Backlog) newDelivery(taken arrival) *Delivery {
	return &Delivery{tries: restored(taken.tries), single: [1]arrival{taken}, accepted: taken.number}
}

// takeBatch takes as many events as a batch may have, at least one. All were tried alike.
func (b *Backlog) takeBatch() []arrival {
	arrivals := make([]arrival, 0, min(b.waiting.events, b.batch.MaxEvents))
	bytes := 0
	for len(arrivals) < b.batch.MaxEvents && b.waiting.events > 0 {
		next := b.waiting.first()
		bytes += next.event.Size()
		if len(arrivals) > 0 && (bytes > int(b.batch.MaxBytes) || !sameTries(arrivals[0].tries, next.tries)) {
			break
		}
		taken, _ := b.takeWaiting()
		arrivals = append(arrivals, taken)
	}
	return arrivals
}

// ready tells whether events wait that may go out: of a batch that fills, its first has waited long enough, and no more
// are on their way from behind the window.
func (b *Backlog) ready(now time.Time) bool {
	switch {
	case b.waiting.events == 0:
		return false
	case !b.batch.Batches() || b.full():
		return true
	case b.awaitsReading():
		return false
	}
	return b.sealed || !b.waiting.first().at.Add(b.batch.MaxWait).After(now)
}

// full tells whether more events would make no larger batch.
func (b *Backlog) full() bool {
	return b.waiting.events >= b.batch.MaxEvents || b.waiting.bytes >= int64(b.batch.MaxBytes)
}

func (b *Backlog) takeWaiting() (arrival, bool) {
	taken, ok := b.waiting.pop()
	if !ok {
		b.demand = demandsEvent
		return arrival{}, false
	}
	b.inFlight++
	return taken, true
}

// retry puts a delivery that is in flight back, to be taken again at the earliest when it is due.
func (b *Backlog) retry(d *Delivery, due time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.due, d.place = due, retrying
	b.inFlight -= d.size()
	b.retrying += d.size()
	b.retries.add(d)
	b.tellTries(d)
}

// nextTurn is when the next retry is due, or the next batch no longer waits to be full; false when neither is to come, or
// what could go out waits for events from behind the window.
func (b *Backlog) nextTurn(now time.Time, ordered bool) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at time.Time
	next := b.retries.soonest()
	if next != nil {
		at = next.due
	}
	if b.awaitsReading() {
		return at, next != nil && at.After(now)
	}
	if b.waiting.events > 0 && b.batch.Batches() && (next == nil || !ordered) {
		if full := b.waiting.first().at.Add(b.batch.MaxWait); next == nil || full.Before(at) {
			return full, true
		}
	}
	return at, next != nil
}
