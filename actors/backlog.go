package actors

import (
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// Bounds is how much a queue may hold, and what gives way when it is full.
type Bounds struct {
	Events int
	Bytes  int64
	Policy config.DropPolicy
}

// Backlog is a bounded queue of events with an exact account of them. The bounds are over all that is held: events that
// wait, that were handed out, and that wait for a retry. When it is full, drop_policy oldest drops events never sent,
// the oldest first, then those waiting for a retry, the oldest first, and never one in flight; where that makes no room,
// and with drop_policy newest, the new event is refused.
//
// Any goroutine may offer and read; one, the owner, takes and settles.
type Backlog struct {
	bounds Bounds

	mu       sync.Mutex
	waiting  fifo[*messages.Envelope]
	retries  retries
	inFlight int
	leaving  int   // dead-lettered, and not yet taken over by the dead-letter actor: they still take room
	bytes    int64 // of all that takes room
	pinned   int64 // of those bytes, what can't be evicted: in flight and leaving
	taken    uint64
	ledger   Ledger // what the fields above don't tell

	sealed   bool
	starved  bool              // the owner found nothing to take: it wants to hear of the next event
	unread   bool              // events were dropped since the owner asked, and it was told so
	reported [fateCount]uint64 // the drops that the owner has asked for
}

// Signals are what the owner has to hear of after an offer.
type Signals struct {
	Available bool // an event waits, and the owner had found none
	Dropped   bool // events were dropped, for the first time since the owner asked
}

// NewBacklog makes an empty queue.
func NewBacklog(bounds Bounds) *Backlog {
	return &Backlog{bounds: bounds, retries: newRetries()}
}

// Offer hands events over, all or none. Its errors are messages.ErrClosed, ErrTooLarge and ErrQueueFull; events that are
// not taken are accounted as dropped.
func (b *Backlog) Offer(events ...*messages.Envelope) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Accepted += uint64(len(events))
	fate, err := b.makeRoom(events)
	if err != nil {
		b.ledger.fates[fate] += uint64(len(events))
		return b.signals(), err
	}
	for _, event := range events {
		b.waiting.push(event)
		b.bytes += int64(event.Size())
	}
	return b.signals(), nil
}

// Refuse accounts for an event that never got to be offered.
func (b *Backlog) Refuse(fate Fate) Signals {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Accepted++
	b.ledger.fates[fate]++
	return b.signals()
}

func (b *Backlog) makeRoom(events []*messages.Envelope) (Fate, error) {
	bytes := int64(0)
	for _, event := range events {
		bytes += int64(event.Size())
	}
	switch {
	case b.sealed:
		return DroppedClosed, messages.ErrClosed
	case len(events) > b.bounds.Events || bytes > b.bounds.Bytes:
		return DroppedTooLarge, messages.ErrTooLarge
	case b.bounds.Policy == config.DropOldest && b.fits(b.inFlight+b.leaving+len(events), b.pinned+bytes):
		for !b.fits(b.room()+len(events), b.bytes+bytes) {
			b.evict()
		}
	case !b.fits(b.room()+len(events), b.bytes+bytes):
		return DroppedRefused, messages.ErrQueueFull
	}
	return 0, nil
}

func (b *Backlog) room() int {
	return b.waiting.length + b.retries.len() + b.inFlight + b.leaving
}

func (b *Backlog) fits(events int, bytes int64) bool {
	return events <= b.bounds.Events && bytes <= b.bounds.Bytes
}

func (b *Backlog) evict() {
	event, ok := b.waiting.pop()
	if !ok {
		d := b.retries.oldest()
		b.retries.remove(d)
		b.starved = true // in order, it held back the events after it
		d.place = gone
		event = d.Event
	}
	b.bytes -= int64(event.Size())
	b.ledger.fates[DroppedEvicted]++
}

func (b *Backlog) signals() Signals {
	var s Signals
	if b.starved && b.waiting.length > 0 {
		s.Available, b.starved = true, false
	}
	if !b.unread && b.droppedUnreported() {
		s.Dropped, b.unread = true, true
	}
	return s
}

func (b *Backlog) droppedUnreported() bool {
	for fate := DroppedEvicted; fate <= DroppedPanic; fate++ {
		if b.ledger.fates[fate] != b.reported[fate] {
			return true
		}
	}
	return false
}

// DroppedSince tells how many events were dropped since the last call, by reason.
func (b *Backlog) DroppedSince() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := map[string]uint64{}
	for fate := DroppedEvicted; fate <= DroppedPanic; fate++ {
		if n := b.ledger.fates[fate] - b.reported[fate]; n > 0 {
			since[fate.Reason()] = n
			b.reported[fate] += n
		}
	}
	b.unread = false
	return since
}

// TakeEvent hands out the event that has waited longest, or nil. The owner gives it its fate with SettleEvent.
func (b *Backlog) TakeEvent() *messages.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeWaiting()
}

// SettleEvent ends what TakeEvent began.
func (b *Backlog) SettleEvent(event *messages.Envelope, fate Fate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	b.unpin(event)
	b.ledger.fates[fate]++
}

// Take hands out the delivery whose turn it is, or nil: a retry that is due before an event never sent. When ordered, a
// retry holds back all that was accepted after it. For a probe it is the delivery whose latest probe is furthest back,
// so that one event can't keep a breaker open for all others.
func (b *Backlog) Take(now time.Time, ordered, probe bool) *Delivery {
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
		if next.probe > 0 && b.waiting.length > 0 {
			next = nil
		}
	}
	if next != nil {
		b.retries.remove(next)
		next.place = inFlight
		b.inFlight++
		b.pinned += int64(next.Event.Size())
		return next
	}
	event := b.takeWaiting()
	if event == nil {
		return nil
	}
	b.taken++
	return &Delivery{Event: event, accepted: b.taken}
}

func (b *Backlog) takeWaiting() *messages.Envelope {
	event, ok := b.waiting.pop()
	if !ok {
		b.starved = true
		return nil
	}
	b.inFlight++
	b.pinned += int64(event.Size())
	return event
}

// Retry puts a delivery that is in flight back, to be taken again at the earliest when it is due.
func (b *Backlog) Retry(d *Delivery, due time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.due, d.place = due, retrying
	b.inFlight--
	b.pinned -= int64(d.Event.Size())
	b.retries.add(d)
}

// NextRetry is when the next retry is due; false when nothing waits for one.
func (b *Backlog) NextRetry() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.retries.soonest()
	if next == nil {
		return time.Time{}, false
	}
	return next.due, true
}

// Settle gives a delivery its fate, wherever it is. A dead-lettered one takes room until Leave. It is false, and nothing
// happens, when the delivery has a fate already.
func (b *Backlog) Settle(d *Delivery, fate Fate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settle(d, fate)
}

func (b *Backlog) settle(d *Delivery, fate Fate) bool {
	switch d.place {
	case gone:
		return false
	case retrying:
		b.retries.remove(d)
		b.pinned += int64(d.Event.Size())
	case inFlight:
		b.inFlight--
	}
	d.place = gone
	b.ledger.fates[fate]++
	if fate.Kind() == KindDeadLettered {
		b.leaving++
	} else {
		b.unpin(d.Event)
	}
	return true
}

func (b *Backlog) unpin(event *messages.Envelope) {
	b.bytes -= int64(event.Size())
	b.pinned -= int64(event.Size())
}

// Leave frees the room of a dead-lettered event. It is lost when no place kept it.
func (b *Backlog) Leave(event *messages.Envelope, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving--
	b.unpin(event)
	if lost {
		b.ledger.Lost++
	}
}

// Abandon dead-letters, because of the shutdown, the retries that are due after the given time, and with waitingToo the
// events never sent. It returns what it gave up, in the order of acceptance of each kind.
func (b *Backlog) Abandon(dueAfter time.Time, waitingToo bool) []*Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var abandoned []*Delivery
	for _, d := range b.retries.byDue.items {
		if d.due.After(dueAfter) {
			abandoned = append(abandoned, d)
		}
	}
	for waitingToo {
		event := b.takeWaiting()
		if event == nil {
			break
		}
		b.taken++
		abandoned = append(abandoned, &Delivery{Event: event, accepted: b.taken})
	}
	sortByAcceptance(abandoned)
	for _, d := range abandoned {
		b.settle(d, DeadShutdown)
	}
	return abandoned
}

// Seal refuses all further offers.
func (b *Backlog) Seal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
}

// Empty tells whether nothing takes room any more.
func (b *Backlog) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room() == 0
}

// Ledger is the account at this moment.
func (b *Backlog) Ledger() Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	ledger := b.ledger
	ledger.Waiting = b.waiting.length
	ledger.InFlight = b.inFlight
	ledger.Retrying = b.retries.len()
	ledger.Bytes = b.bytes
	return ledger
}
