package delivery

import "time"

// readAgainAfter is the wait after a reading that failed.
const readAgainAfter = time.Second

// ReadAhead is what the owner is to read now from the journal: the events that were accepted after the one with the given
// number, at least one, up to so much. Once it is ok it is not until Filled or ReadFailed came. Reading begins when less
// than half of the window is used, and before where nothing is left in it to be sent first, or no full batch.
func (e *Endpoint) ReadAhead(now time.Time) (after uint64, most Volume, ok bool) {
	if e.draining {
		return 0, Volume{}, false
	}
	return e.backlog.readAhead(now)
}

// Filled takes what was read.
func (e *Endpoint) Filled(now time.Time, read Read) { e.backlog.fill(now, read) }

// ReadFailed tells that nothing could be read. It is to be tried again in a second.
func (e *Endpoint) ReadFailed(now time.Time) { e.backlog.readFailed(now) }

func (b *Backlog) readAhead(now time.Time) (after uint64, most Volume, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.hasToRead() || now.Before(b.nextReading()) {
		return 0, Volume{}, false
	}
	b.window.reading, b.window.after = true, b.window.horizon
	behind := b.window.behind.total()
	return b.window.after, b.window.room(b.inMemory(), b.batch, behind.Bytes/int64(max(1, behind.Events))), true
}

// hasToRead tells whether a reading is to begin.
func (b *Backlog) hasToRead() bool {
	if b.window.reading || !b.window.hasBehind() {
		return false
	}
	inMemory, needed := b.inMemory(), b.waiting.events == 0 || b.batch.Batches() && !b.full()
	return b.window.holdsLessThan(2, inMemory, b.batch) || needed && b.window.holdsLessThan(1, inMemory, b.batch)
}

// awaitsReading tells whether more events are on their way into the window. What can't be read is not waited for.
func (b *Backlog) awaitsReading() bool {
	return b.window.failed.IsZero() && (b.window.reading && b.window.hasBehind() || b.hasToRead())
}

// nextReading is when a reading may begin; zero: at once.
func (b *Backlog) nextReading() time.Time {
	if b.window.failed.IsZero() {
		return time.Time{}
	}
	return b.window.failed.Add(readAgainAfter)
}

// readsAgain is when a reading that failed is to be tried again; false when that is not to come.
func (b *Backlog) readsAgain(now time.Time) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.nextReading()
	return at, at.After(now) && b.hasToRead()
}

func (b *Backlog) readFailed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.reading, b.window.failed = false, now
}

func (b *Backlog) fill(now time.Time, read Read) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.reading, b.window.failed = false, time.Time{}
	if read.Through <= b.window.after && read.Through < b.last {
		b.window.failed = now // it would be asked for again at once
		return
	}
	for _, stored := range read.Events {
		if b.window.isBehind(stored.Place) {
			b.restore(stored)
		}
	}
	for _, stub := range read.Damaged {
		if b.window.isBehind(stub.Place) {
			b.dropBehind(stub, DroppedDamaged)
		}
	}
	if through := min(read.Through, b.last); through > b.window.horizon {
		b.window.advance(through)
	}
	if b.window.horizon == b.last {
		b.reconcile()
	}
}

// restore moves an event from behind the window into it.
func (b *Backlog) restore(stored Stored) {
	size := stored.Event.Size()
	b.window.behind[stored.Class] = b.window.behind[stored.Class].subtract(size)
	a := arrival{event: stored.Event, at: stored.At, number: stored.Number}
	if stored.Tries != (Tries{}) {
		a.tries = &stored.Tries
	}
	if stored.Tries.Begun {
		b.unknown = append(b.unknown, a)
		return
	}
	b.waiting.push(a)
}

// reconcile lets the counts say that nothing is behind the window, where nothing was found there any more. What is missing
// is damaged; what was not counted was accepted.
func (b *Backlog) reconcile() {
	for class, missing := range b.window.behind {
		b.held[class].Events -= missing.Events
		b.held[class].Bytes -= missing.Bytes
		if missing.Events > 0 {
			b.ledger.fates[DroppedDamaged] += uint64(missing.Events)
		} else {
			b.ledger.Accepted += uint64(-missing.Events)
		}
	}
	b.window.behind = byClass{}
}
