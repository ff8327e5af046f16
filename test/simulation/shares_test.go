package simulation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fluxmq/webhookd/config"
)

// class is the group of types that the event shares a full queue with: messages, clients and their subscriptions, or what
// strangers cause.
func (s eventSpec) class() string {
	switch group, _, _ := strings.Cut(s.eventType.String(), "."); group {
	case "client", "subscription":
		return "client"
	case "auth", "authz":
		return "auth"
	default:
		return group
	}
}

// givingWay are the events that give way to a newcomer; false when it is refused.
func (o *oracle) givingWay(newcomer *event) (victims []*passage, ok bool) {
	held := slices.Clone(o.held)
	for !o.fits(len(held), bytesOf(held), newcomer) {
		victim := o.nextToGive(held, newcomer)
		if victim == nil {
			return nil, false
		}
		victims = append(victims, victim)
		held = slices.DeleteFunc(held, func(p *passage) bool { return p == victim })
	}
	return victims, true
}

// nextToGive is of the class furthest above a third of the queue that has something to give, and takes no less than the
// newcomer's; nil when there is none. With drop_policy newest the newcomer's own class must not be above a third.
func (o *oracle) nextToGive(held []*passage, newcomer *event) *passage {
	use := map[string]int64{newcomer.class(): o.use(held, newcomer.class(), newcomer)}
	for _, p := range held {
		use[p.class()] = o.use(held, p.class(), newcomer)
	}
	third := int64(o.QueueSize) * int64(o.QueueBytes) / 3
	if o.DropPolicy == config.DropNewest && use[newcomer.class()] > third {
		return nil
	}
	var best *passage
	for _, p := range held {
		if !o.mayGive(p) || use[p.class()] <= third || use[p.class()] < use[newcomer.class()] {
			continue
		}
		if best == nil || o.givesBefore(p, best, use, newcomer) {
			best = p
		}
	}
	return best
}

// use is the larger of a class's part of the events and of the bytes, the newcomer included, in parts of both bounds.
func (o *oracle) use(held []*passage, class string, newcomer *event) int64 {
	events, bytes := int64(0), int64(0)
	if newcomer.class() == class {
		events, bytes = 1, int64(newcomer.size)
	}
	for _, p := range held {
		if p.class() == class {
			events, bytes = events+1, bytes+int64(p.size)
		}
	}
	return max(events*int64(o.QueueBytes), bytes*int64(o.QueueSize))
}

// mayGive: what is in flight gives way to nothing, nor does what was sent in a batch.
func (o *oracle) mayGive(p *passage) bool {
	return p.place() == waiting || p.place() == retrying && o.Batch.MaxEvents == 1
}

// givesBefore compares two that may give way: the class that takes more first, of two the newcomer's, then events never
// sent, then the older.
func (o *oracle) givesBefore(a, b *passage, use map[string]int64, newcomer *event) bool {
	own := func(p *passage) int {
		if p.class() == newcomer.class() {
			return 0
		}
		return 1
	}
	sent := func(p *passage) int {
		if p.place() == retrying {
			return 1
		}
		return 0
	}
	order := []string{"message", "client", "auth"} // of classes that take the same
	return cmp.Or(
		cmp.Compare(use[b.class()], use[a.class()]),
		cmp.Compare(own(a), own(b)),
		cmp.Compare(slices.Index(order, a.class()), slices.Index(order, b.class())),
		cmp.Compare(sent(a), sent(b)),
		cmp.Compare(a.order, b.order),
	) < 0
}
