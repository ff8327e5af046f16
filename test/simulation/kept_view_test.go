package simulation

import (
	"context"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// view is what is on the disk at one moment.
type view struct {
	endpoints map[string]*endpointView
	letters   []*letterView // the oldest first
}

// endpointView is what is on the disk of one endpoint.
type endpointView struct {
	record  store.EndpointRecord
	held    map[*event]delivery.Stored
	damaged int
	letters map[*event]*letterView
	volumes [messages.ClassCount]delivery.Volume
	twice   *event // held more than once, or a letter more than once, or both
}

type letterView struct {
	*event
	endpoint string
	id       uuid.UUID
}

func (v *view) of(endpoint string) *endpointView {
	e := v.endpoints[endpoint]
	if e == nil {
		e = &endpointView{held: map[*event]delivery.Stored{}, letters: map[*event]*letterView{}}
		v.endpoints[endpoint] = e
	}
	return e
}

// view looks at the disk past whatever goes wrong with it.
func (r *keptRun) view() *view {
	v := &view{endpoints: map[string]*endpointView{}}
	records, err := r.observer.Endpoints()
	r.must(err)
	for name, record := range records {
		v.of(name).record = record
	}
	for _, o := range r.oracles {
		r.viewHeld(v.of(o.Name), o.Name)
	}
	page, err := r.observer.Letters(context.Background(), store.DeadLetterQuery{Limit: 1 << 20})
	r.must(err)
	for _, record := range page.Letters {
		l := &letterView{r.letterEvent(record.ID), record.Endpoint, record.ID}
		e := v.of(record.Endpoint)
		if _, held := e.held[l.event]; held || e.letters[l.event] != nil {
			e.twice = l.event
		}
		e.letters[l.event] = l
		v.letters = append(v.letters, l)
	}
	return v
}

func (r *keptRun) viewHeld(e *endpointView, name string) {
	read, err := r.observer.Held(name, 0, delivery.Volume{Events: 1 << 30, Bytes: 1 << 50})
	r.must(err)
	for _, stored := range read.Events {
		found, err := r.recognise(stored.Event)
		if err != nil {
			r.breaks("what is held has the bytes that were handed over", "%v", err)
		}
		if _, held := e.held[found]; held {
			e.twice = found
		}
		e.held[found] = stored
		e.count(delivery.Stub{Place: stored.Place, Size: stored.Event.Size()})
	}
	for _, damaged := range read.Damaged {
		e.damaged++
		e.count(damaged.Stub)
	}
}

func (e *endpointView) count(stub delivery.Stub) {
	e.volumes[stub.Class].Events++
	e.volumes[stub.Class].Bytes += int64(stub.Size)
}

func (e *endpointView) heldEvents() int { return len(e.held) + e.damaged }

func (e *endpointView) has(found *event) bool {
	_, held := e.held[found]
	return held || e.letters[found] != nil
}

// letterEvent is the event of a letter, which stays the same.
func (r *keptRun) letterEvent(id uuid.UUID) *event {
	if r.letterEvents[id] == nil {
		record, err := r.observer.Letter(context.Background(), id)
		r.must(err)
		number, err := numberOf(record.Event)
		r.must(err)
		r.letterEvents[id] = r.events[number]
	}
	return r.letterEvents[id]
}

func (r *keptRun) must(err error) {
	if err != nil {
		panic(err) // of the simulation itself
	}
}
