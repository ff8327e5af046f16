package delivery

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
// wait, that were handed out, and that wait for a retry.
//
// Each class of events may keep a third of a full queue while it wants it. So what gives way is of the class that takes
// most of the room, the newcomer counted in: events never sent, the oldest first, then those waiting for a retry, the
// oldest first, and never one in flight, nor one of a batch that was sent. Where that makes no room the newcomer is
// refused; with drop_policy newest also where its own class takes more than its third.
//
// With a journal only a window of the events is in memory. The bounds are over all of them.
//
// Any goroutine may offer and read; one, the owner, takes and settles.
type Backlog struct {
	bounds Bounds
	batch  config.Batch // how many events take hands out together; the zero value means one

	mu       sync.Mutex
	waiting  waiting
	retries  retries
	retrying int // events
	inFlight int
	leaving  int     // events that are dead-lettered, until who keeps them has them
	held     byClass // all that takes room
	last     uint64  // the number of the event that was accepted last
	ledger   Ledger  // what the fields above don't tell

	sealed   bool
	demand   demand
	unread   bool              // events were dropped since the owner asked, and it was told so
	reported [fateCount]uint64 // the drops that the owner has asked for

	journal Journal // nil: all is in memory
	window  window
	unknown []arrival // restored events that may have been sent
}

// demand is what the owner found nothing to take for, and so what it wants to hear of.
type demand uint8

const (
	demandsNothing demand = iota
	demandsEvent          // the next event
	demandsBatch          // the end of the wait for a full batch
)

// Signals are what the owner has to hear of after an offer.
type Signals struct {
	Available bool // there is something to take, or to be read ahead, and the owner had found nothing to take
	Dropped   bool // events were dropped, for the first time since the owner asked
}

// NewBacklog makes an empty queue.
func NewBacklog(bounds Bounds) *Backlog {
	return &Backlog{bounds: bounds, retries: newRetries()}
}

// Offer hands events over, all or none. Its errors are messages.ErrClosed, ErrTooLarge and ErrQueueFull; events that are
// not taken are accounted as dropped.
func (b *Backlog) Offer(now time.Time, events ...*messages.Envelope) (Signals, error) {
	return b.OfferForReceipt(now, nil, events...)
}

// OfferForReceipt is Offer by somebody who waits for a receipt of each event: who takes it with TakeEvent gives it. Of an
// event that gives way before, receipt hears messages.ErrQueueFull, in any goroutine; it is not free to call the backlog.
// Where the events are not taken it hears nothing.
func (b *Backlog) OfferForReceipt(now time.Time, receipt func(error), events ...*messages.Envelope) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Accepted += uint64(len(events))
	fate, err := b.makeRoom(events)
	if err != nil {
		b.ledger.fates[fate] += uint64(len(events))
		return b.signals(), err
	}
	for _, event := range events {
		b.accept(arrival{event: event, at: now, receipt: receipt}, false)
	}
	return b.signals(), nil
}

// OfferReplay hands over an event that was dead-lettered before. Where nothing is free for it, no other event gives way
// and nothing is accounted; its errors are those of Offer.
func (b *Backlog) OfferReplay(now time.Time, event *messages.Envelope) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.sealed:
		return Signals{}, messages.ErrClosed
	case !b.bounds.hold(Volume{}.add(event.Size())):
		return Signals{}, messages.ErrTooLarge
	case !b.bounds.hold(b.held.total().add(event.Size())):
		return Signals{}, messages.ErrQueueFull
	}
	b.ledger.Accepted++
	b.ledger.AcceptedReplay++
	b.accept(arrival{event: event, at: now}, true)
	return b.signals(), nil
}

// accept numbers an event for which there is room. It goes behind the window where that is full.
func (b *Backlog) accept(a arrival, replayed bool) {
	b.last++
	a.number = b.last
	class, behind := a.event.Type().Class(), b.keepsBehind()
	b.held[class] = b.held[class].add(a.event.Size())
	if b.journal != nil {
		b.journal.Accept(Acceptance{Place: a.place(), Event: a.event, At: a.at, Replayed: replayed})
	}
	if behind {
		b.window.behind[class] = b.window.behind[class].add(a.event.Size())
		return
	}
	b.window.horizon = a.number
	b.waiting.push(a)
}

// release frees the room of an event.
func (b *Backlog) release(event *messages.Envelope) {
	class := event.Type().Class()
	b.held[class] = b.held[class].subtract(event.Size())
}

// TurnAway accounts for events that nobody wants, which take no room. Its error is messages.ErrClosed.
func (b *Backlog) TurnAway(events int) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Accepted += uint64(events)
	if b.sealed {
		b.ledger.fates[DroppedClosed] += uint64(events)
		return b.signals(), messages.ErrClosed
	}
	b.ledger.fates[Unwanted] += uint64(events)
	return Signals{}, nil
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
	var newcomers Volume
	for _, event := range events {
		newcomers = newcomers.add(event.Size())
	}
	switch {
	case b.sealed:
		return DroppedClosed, messages.ErrClosed
	case !b.bounds.hold(newcomers):
		return DroppedTooLarge, messages.ErrTooLarge
	}
	victims, ok := b.givingWay(events)
	if !ok {
		return DroppedRefused, messages.ErrQueueFull
	}
	for class := range messages.ClassCount {
		for range victims[class] {
			b.evict(class)
		}
	}
	return 0, nil
}

func (b *Backlog) signals() Signals {
	var s Signals
	if b.demand == demandsEvent && b.waiting.events > 0 || b.demand == demandsBatch && b.full() ||
		b.demand != demandsNothing && b.journal != nil && b.hasToRead() {
		s.Available, b.demand = true, demandsNothing
	}
	if !b.unread && b.droppedUnreported() {
		s.Dropped, b.unread = true, true
	}
	return s
}

func (b *Backlog) droppedUnreported() bool {
	for fate := DroppedEvicted; fate <= DroppedDamaged; fate++ {
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
	for fate := DroppedEvicted; fate <= DroppedDamaged; fate++ {
		if n := b.ledger.fates[fate] - b.reported[fate]; n > 0 {
			since[fate.Reason()] = n
			b.reported[fate] += n
		}
	}
	b.unread = false
	return since
}

// Seal refuses all further offers. Batches no longer wait to be full.
func (b *Backlog) Seal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
}

// Empty tells whether nothing takes room any more.
func (b *Backlog) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held.total().Events == 0
}

// settled tells whether nothing is left that has to have an end before the process may stop.
func (b *Backlog) settled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.journal != nil {
		return b.inFlight+b.leaving == 0
	}
	return b.held.total().Events == 0
}

// Ledger is the account at this moment.
func (b *Backlog) Ledger() Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	ledger := b.ledger
	ledger.Waiting = b.waiting.events + b.window.behind.total().Events + len(b.unknown)
	ledger.InFlight = b.inFlight
	ledger.Retrying = b.retrying
	ledger.Bytes = b.held.total().Bytes
	if b.journal != nil {
		ledger.Kept = ledger.Held()
	}
	return ledger
}
