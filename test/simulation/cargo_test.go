package simulation

import (
	"slices"
	"time"
)

// passage is the way of one event to one endpoint.
type passage struct {
	*event
	order    int // of acceptance
	came     time.Time
	cargo    *cargo // nil: never sent
	replayed bool   // it was a dead letter before
	fate     string
}

type place string

const (
	waiting  place = "waiting"
	flying   place = "in flight"
	retrying place = "waiting for a retry"
	gone     place = "gone"
)

func (p *passage) place() place {
	switch {
	case p.fate != "":
		return gone
	case p.cargo == nil:
		return waiting
	}
	return p.cargo.place
}

// cargo is what an endpoint gets in one request, at first: an event or a batch. A batch may be taken apart.
type cargo struct {
	parts     []*load // that are left, the next first
	youngest  time.Time
	delivered bool // some of it was
	place     place
	due       time.Time
	sent      time.Time // the latest attempt
	era       int       // the breaker's, when the latest attempt began
	probed    int       // the number of the latest probe that it was
}

// load is what goes out together.
type load struct {
	id       string // "": not sent yet
	passages []*passage
	history
}

// history is what load remembers of the attempts on it, and on what it was split off.
type history struct {
	tries           int
	failures        int
	charged         int
	deliveredBefore int         // by the endpoint, when the latest attempt ended
	passedOver      []time.Time // ends of attempts that were away although others were delivered
	unprocessed     bool        // an attempt was not processed
}

func newCargo(passages []*passage) *cargo {
	c := &cargo{parts: []*load{{passages: passages}}, youngest: passages[len(passages)-1].came, place: waiting}
	for _, p := range passages {
		p.cargo = c
	}
	return c
}

func (c *cargo) next() *load { return c.parts[0] }

func (c *cargo) has(p *passage) bool { return p.cargo == c }

// split takes what went out apart; of an odd number the first part gets one more.
func (c *cargo) split() {
	whole := c.parts[0]
	first := (len(whole.passages) + 1) / 2
	c.parts = slices.Concat([]*load{
		{passages: whole.passages[:first], history: whole.history},
		{passages: whole.passages[first:], history: whole.history},
	}, c.parts[1:])
}
