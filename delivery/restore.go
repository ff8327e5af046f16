package delivery

// Restore lets the endpoint journal what it holds, and gives it what the journal kept. It is called once, before the
// endpoint is driven or offered anything. window is how many bytes the events in memory may take, each counted with 512
// more than its size, and exceeded by less than one event. It holds at least one event, and two full batches where the
// endpoint batches.
func (e *Endpoint) Restore(journal Journal, kept Kept, window int64) {
	b := e.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	b.journal, b.last, b.window.bytes = journal, kept.Last, window
	b.window.behind, b.held = kept.Held, kept.Held
	b.ledger.Accepted = uint64(b.held.total().Events)
	b.ledger.AcceptedStore = b.ledger.Accepted
}

// journals tells whether a journal keeps what is held.
func (b *Backlog) journals() bool { return b.journal != nil }

// giveUpUnknown dead-letters restored events that may have been sent, of which nobody knows the outcome.
func (b *Backlog) giveUpUnknown() []*Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var givenUp []*Delivery
	for _, a := range b.unknown {
		b.inFlight++
		d := b.newDelivery(a)
		b.settleLocked(d, DeadUnknownOutcome)
		givenUp = append(givenUp, d)
	}
	b.unknown = nil
	return givenUp
}

// restored are the tries of an event, or of events that go out together for the first time since the process began.
func restored(known *Tries) tries {
	if known == nil {
		return tries{}
	}
	return tries{
		attempts: known.Attempts, charged: known.Charged, failures: known.Failures,
		begun: known.Begun, toldBegun: known.Begun, toldCharged: known.Charged,
	}
}

// sameTries tells whether two events were tried alike, so that they can go out together.
func sameTries(a, b *Tries) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
