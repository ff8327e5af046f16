package delivery

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// retries are the deliveries that wait for their next attempt, found by the time at which it is due and by the order in
// which they were accepted.
type retries struct {
	byDue   deliveryHeap
	byOrder [messages.ClassCount]deliveryHeap // an event that gives way is of one class
}

func newRetries() retries {
	r := retries{
		byDue: deliveryHeap{
			less: func(a, b *Delivery) bool {
				if a.due.Equal(b.due) {
					return a.accepted < b.accepted
				}
				return a.due.Before(b.due)
			},
			index: func(d *Delivery) *int { return &d.dueIndex },
		},
	}
	for class := range r.byOrder {
		r.byOrder[class] = deliveryHeap{
			less:  func(a, b *Delivery) bool { return a.accepted < b.accepted },
			index: func(d *Delivery) *int { return &d.orderIndex },
		}
	}
	return r
}

func (r *retries) add(d *Delivery) {
	heap.Push(&r.byDue, d)
	heap.Push(&r.byOrder[d.class()], d)
}

func (r *retries) remove(d *Delivery) {
	heap.Remove(&r.byDue, d.dueIndex)
	heap.Remove(&r.byOrder[d.class()], d.orderIndex)
}

func (r *retries) soonest() *Delivery { return r.byDue.top() }

// oldest is the delivery that was accepted first, or nil.
func (r *retries) oldest() *Delivery {
	var oldest *Delivery
	for class := range r.byOrder {
		if d := r.byOrder[class].top(); d != nil && (oldest == nil || d.accepted < oldest.accepted) {
			oldest = d
		}
	}
	return oldest
}

// oldestOf is the delivery of the class that was accepted after so many others of it, of which there are more.
func (r *retries) oldestOf(class messages.Class, after int) *Delivery {
	if after == 0 {
		return r.byOrder[class].top()
	}
	deliveries := slices.Clone(r.byOrder[class].items)
	sortByAcceptance(deliveries)
	return deliveries[after]
}

// leastProbed is the delivery among those that are due whose latest probe is furthest back, or nil.
func (r *retries) leastProbed(now time.Time) *Delivery {
	var least *Delivery
	for _, d := range r.byDue.items {
		if d.due.After(now) {
			continue
		}
		if least == nil || d.probe < least.probe || d.probe == least.probe && r.byDue.less(d, least) {
			least = d
		}
	}
	return least
}

func sortByAcceptance(deliveries []*Delivery) {
	slices.SortFunc(deliveries, func(a, b *Delivery) int { return cmp.Compare(a.accepted, b.accepted) })
}

// deliveryHeap implements heap.Interface. index is where a delivery keeps its place in this heap.
type deliveryHeap struct {
	items []*Delivery
	less  func(a, b *Delivery) bool
	index func(*Delivery) *int
}

func (h *deliveryHeap) top() *Delivery {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *deliveryHeap) Len() int           { return len(h.items) }
func (h *deliveryHeap) Less(i, j int) bool { return h.less(h.items[i], h.items[j]) }

func (h *deliveryHeap) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.index(h.items[i]), *h.index(h.items[j]) = i, j
}

func (h *deliveryHeap) Push(item any) {
	d := item.(*Delivery)
	*h.index(d) = len(h.items)
	h.items = append(h.items, d)
}

func (h *deliveryHeap) Pop() any {
	last := len(h.items) - 1
	d := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	return d
}
