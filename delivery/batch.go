package delivery

import (
	"slices"
	"time"
)

// batch is events that go out as one array. It is frozen at its first send: an endpoint that sees it again sees the same
// events under the same id. What an endpoint refuses because of one of its events is split, and the halves go out as
// batches of their own, the first before the second and all their parts before it.
type batch struct {
	id       string // "": not sent yet
	outgoing []arrival
	rest     []part // goes out later, the next last
	latest   time.Time

	events    int  // of outgoing and rest
	delivered bool // some event of it was
}

// part is events that go out together.
type part struct {
	arrivals []arrival
	tries
}

func newBatch(arrivals []arrival) *batch {
	return &batch{
		outgoing: arrivals,
		latest:   arrivals[len(arrivals)-1].at,
		events:   len(arrivals),
	}
}

// divisible tells whether there is more than one event to split.
func (d *Delivery) divisible() bool { return len(d.outgoing()) > 1 }

// split lets the events that went out go out in two halves. Neither is charged for that. The halves are copies: one that
// waits must not hold on to the events of one that has left.
func (d *Delivery) split() {
	b := d.batch
	middle := (len(b.outgoing) + 1) / 2
	b.rest = append(b.rest, part{slices.Clone(b.outgoing[middle:]), d.tries})
	b.outgoing, b.id = slices.Clone(b.outgoing[:middle]), ""
}

// proceed takes the events that went out off the delivery, and is false when no others are left.
func (d *Delivery) proceed() bool {
	if d.batch == nil || len(d.batch.rest) == 0 {
		return false
	}
	b := d.batch
	b.events -= len(b.outgoing)
	last := len(b.rest) - 1
	next := b.rest[last]
	b.rest[last] = part{}
	b.rest = b.rest[:last]
	b.outgoing, b.id, d.tries = next.arrivals, "", next.tries
	return true
}
