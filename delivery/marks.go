package delivery

// Marks tells whether the journal has to know that an attempt begins before it does: with max_attempts 1, where nothing is
// sent twice that may have been processed, also by the process that comes after this one.
func (e *Endpoint) Marks() bool { return e.backlog.journals() && !e.maySendTwice() }

// Mark tells the journal that the attempt of a delivery begins (Tries.Begun). The attempt is to wait until that is safe.
func (e *Endpoint) Mark(d *Delivery) {
	e.backlog.mu.Lock()
	defer e.backlog.mu.Unlock()
	d.begun = true
	e.backlog.tellTries(d)
}

// tellTries tells the journal what it has to know of a delivery's attempts and does not.
func (b *Backlog) tellTries(d *Delivery) {
	if b.journal == nil {
		return
	}
	b.tellPart(d.outgoing(), &d.tries)
	if d.batch != nil {
		for i := range d.batch.rest {
			b.tellPart(d.batch.rest[i].arrivals, &d.batch.rest[i].tries)
		}
	}
}

func (b *Backlog) tellPart(arrivals []arrival, t *tries) {
	if t.charged == t.toldCharged && t.begun == t.toldBegun {
		return
	}
	for _, a := range arrivals {
		b.journal.Try(a.place(), Tries{Attempts: t.attempts, Charged: t.charged, Failures: t.failures, Begun: t.begun})
	}
	t.toldCharged, t.toldBegun = t.charged, t.begun
}
