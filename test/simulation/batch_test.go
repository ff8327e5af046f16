package simulation

import (
	"slices"
	"time"
)

// waitingOnes are the events never sent, in the order of acceptance.
func (o *oracle) waitingOnes() []*passage {
	return slices.DeleteFunc(slices.Clone(o.held), func(p *passage) bool { return p.place() != waiting })
}

// nextBatch is when events never sent may go out: at once, which is the zero time, unless they wait for a batch to fill.
func (o *oracle) nextBatch() (time.Time, bool) {
	idle := o.waitingOnes()
	switch {
	case len(idle) == 0:
		return time.Time{}, false
	case o.Batch.MaxEvents == 1, o.drain.on, len(idle) >= o.Batch.MaxEvents, bytesOf(idle) >= int64(o.Batch.MaxBytes):
		return time.Time{}, true
	}
	return idle[0].came.Add(o.Batch.MaxWait), true
}

// together are those of the events never sent that go out in the next request.
func (o *oracle) together() []*passage {
	idle := o.waitingOnes()
	n := min(1, len(idle))
	for n > 0 && n < len(idle) && n < o.Batch.MaxEvents && bytesOf(idle[:n+1]) <= int64(o.Batch.MaxBytes) {
		n++
	}
	return idle[:n]
}

// checkNew checks what goes out for the first time.
func (o *oracle) checkNew(passages []*passage) {
	together := o.together()
	ready, _ := o.nextBatch()
	switch {
	case passages[0] != together[0]:
		o.breaks("events never sent go out in the order of acceptance", "%v went before %v", passages[0], together[0])
	case !slices.Equal(passages, together):
		o.breaks("a batch takes as many events as it may, and no more", "%d, not %d", len(passages), len(together))
	case ready.After(o.now):
		o.breaks("a batch waits until it is full, or its first event has waited long enough", "%v too early", ready.Sub(o.now))
	}
}

// checkSame checks what goes out again.
func (o *oracle) checkSame(a *attempt, passages []*passage, l *load) {
	if !slices.Equal(passages, l.passages) || l.id != "" && l.id != a.id {
		o.breaks("a batch is frozen: it brings the same events under the same id, until it is split", "%v, and %s %v before", a, l.id, l.passages)
	}
}

// nameLoad checks the id of what goes out for the first time, or for the first time as a part of its own.
func (o *oracle) nameLoad(a *attempt, l *load) {
	switch {
	case l.id != "":
		return
	case o.Batch.MaxEvents == 1 && a.id != a.events[0].id:
		o.breaks("a request is known by its event's id", "%v", a)
	case o.Batch.MaxEvents > 1 && (a.id == "" || o.ids[a.id]):
		o.breaks("every batch, and every part of one, has an id of its own", "%v", a)
	}
	l.id = a.id
	o.ids[a.id] = true
}
