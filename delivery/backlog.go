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
// wait, that were handed out, and that wait for a retry. When it is full, drop_policy oldest drops events never sent,
// the oldest first, then those waiting for a retry, the oldest first, and never one in flight, nor one of a batch that was
// sent; where that makes no room, and with drop_policy newest, the new event is refused.
//
// Any goroutine may offer and read; one, the owner, takes and settles.
type Backlog struct {
	bounds Bounds
	batch  config.Batch // how many events take hands out together; the zero value means one

	mu            sync.Mutex
	waiting       FIFO[arrival]
	retries       retries
	retrying      int // events
	inFlight      int
	leaving       int   // dead-lettered, and not yet taken over by the dead-letter actor: they still take room
	bytes         int64 // of all that takes room
	retryingBytes int64 // of those bytes, what waits for a retry
	pinned        int64 // of those bytes, what is in flight or leaving
	taken         uint64
	ledger        Ledger // what the fields above don't tell

	sealed   bool
	demand   demand
	unread   bool              // events were dropped since the owner asked, and it was told so
	reported [fateCount]uint64 // the drops that the owner has asked for
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
	Available bool // there is something to take, and the owner had found nothing
	Dropped   bool // events were dropped, for the first time since the owner asked
}

// NewBacklog makes an empty queue.
func NewBacklog(bounds Bounds) *Backlog {
	return &Backlog{bounds: bounds, retries: newRetries()}
}

// Offer hands events over, all or none. Its errors are messages.ErrClosed, ErrTooLarge and ErrQueueFull; events that are
// not taken are accounted as dropped.
func (b *Backlog) Offer(now time.Time, events ...*messages.Envelope) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Accepted += uint64(len(events))
	fate, err := b.makeRoom(events)
	if err != nil {
		b.ledger.fates[fate] += uint64(len(events))
		return b.signals(), err
	}
	for _, event := range events {
		b.push(arrival{event: event, at: now})
	}
	return b.signals(), nil
}

// OfferReplay hands over an event that was dead-lettered before. Where nothing is free for it, no other event gives way
// and nothing is accounted; its errors are those of Offer. ended hears of the event's fate: once, in any goroutine, and
// not free to call the backlog.
func (b *Backlog) OfferReplay(now time.Time, event *messages.Envelope, ended func(Fate)) (Signals, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes := int64(event.Size())
	switch {
	case b.sealed:
		return Signals{}, messages.ErrClosed
	case bytes > b.bounds.Bytes:
		return Signals{}, messages.ErrTooLarge
	case !b.fits(b.room()+1, b.bytes+bytes):
		return Signals{}, messages.ErrQueueFull
	}
	b.ledger.Accepted++
	b.ledger.AcceptedReplay++
	b.push(arrival{event, now, ended})
	return b.signals(), nil
}

func (b *Backlog) push(a arrival) {
	b.waiting.Push(a)
	b.bytes += int64(a.event.Size())
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
	stay, stayBytes := b.staying()
	switch {
	case b.sealed:
		return DroppedClosed, messages.ErrClosed
	case len(events) > b.bounds.Events || bytes > b.bounds.Bytes:
		return DroppedTooLarge, messages.ErrTooLarge
	case b.bounds.Policy == config.DropOldest && b.fits(stay+len(events), stayBytes+bytes):
		for !b.fits(b.room()+len(events), b.bytes+bytes) {
			b.evict()
		}
	case !b.fits(b.room()+len(events), b.bytes+bytes):
		return DroppedRefused, messages.ErrQueueFull
	}
	return 0, nil
}

// staying is what gives way to nothing.
func (b *Backlog) staying() (events int, bytes int64) {
	events, bytes = b.inFlight+b.leaving, b.pinned
	if b.batch.Batches() {
		events, bytes = events+b.retrying, bytes+b.retryingBytes
	}
	return events, bytes
}

func (b *Backlog) room() int {
	return b.waiting.Len() + b.retrying + b.inFlight + b.leaving
}

func (b *Backlog) fits(events int, bytes int64) bool {
	return events <= b.bounds.Events && bytes <= b.bounds.Bytes
}

func (b *Backlog) evict() {
	evicted, ok := b.waiting.Pop()
	if !ok {
		d := b.retries.oldest()
		b.leaveRetries(d)
		b.demand = demandsEvent // in order, it held back the events after it
		d.place = gone
		evicted = d.single[0]
	}
	b.bytes -= int64(evicted.event.Size())
	b.ledger.fates[DroppedEvicted]++
	evicted.end(DroppedEvicted)
}

func (b *Backlog) signals() Signals {
	var s Signals
	if b.demand == demandsEvent && b.waiting.Len() > 0 || b.demand == demandsBatch && b.full() {
		s.Available, b.demand = true, demandsNothing
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
	return b.room() == 0
}

// Ledger is the account at this moment.
func (b *Backlog) Ledger() Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	ledger := b.ledger
	ledger.Waiting = b.waiting.Len()
	ledger.InFlight = b.inFlight
	ledger.Retrying = b.retrying
	ledger.Bytes = b.bytes
	return ledger
}
