package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func (h handing) perform(r *keptRun) {
	events := r.newEvents(h.events)
	if h.way != forReceipts {
		for _, e := range events {
			r.handOver(h.way, e)
		}
		return
	}
	r.handOver(h.way, events...)
}

func (t keptTrickle) perform(r *keptRun) {
	for range t.events {
		handing{forReceipt, []eventSpec{t.spec}}.perform(r)
		r.pass(t.every)
		if r.broken != nil {
			return
		}
	}
}

func (r *keptRun) newEvents(specs []eventSpec) (events []*event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, spec := range specs {
		e := &event{eventSpec: spec, number: len(r.events), offered: time.Now()}
		r.must(e.measure())
		r.events = append(r.events, e)
		events = append(events, e)
	}
	return events
}

func (r *keptRun) handOver(how handingWay, events ...*event) {
	var passages []*keptPassage
	var envelopes []*messages.Envelope
	for _, e := range events {
		r.acceptances++
		for _, o := range r.oracles {
			if p := o.offer(e, r.acceptances); p != nil {
				passages = append(passages, p)
			}
		}
		envelopes = append(envelopes, e.envelope())
	}
	p, wait := r.process, &receipt{events: events}
	var err error
	if how == forNothing {
		err = p.handle.NotifyAll(context.Background(), envelopes...)
	} else {
		err = p.handle.NotifyReceipt(func(err error) { p.give(wait, err) }, envelopes...)
	}
	if err != nil {
		for _, passage := range passages {
			passage.refused = true
		}
		r.expectRefusal(err)
	} else if how != forNothing {
		p.mu.Lock()
		p.receipts = append(p.receipts, wait)
		p.mu.Unlock()
	}
}

func (r *keptRun) expectRefusal(err error) {
	switch {
	case errors.Is(err, messages.ErrUnavailable):
		r.seen["refused while the disk fails"]++
	case !errors.Is(err, messages.ErrQueueFull) && !errors.Is(err, messages.ErrTooLarge):
		r.breaks("the sender learns why its event was refused", "%v", err)
	}
}

func (t keptTurn) perform(r *keptRun) { r.turn(t.receiver, t.to) }

// perform replays, and gives what is replayed its new place in the order of acceptance.
func (a keptReplaying) perform(r *keptRun) {
	filter := store.DeadLetterFilter{}
	if a.endpoint >= 0 {
		filter.Endpoint = r.oracles[a.endpoint].Name
	}
	before := r.replayable(filter)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result, err := r.process.handle.ReplayDeadLetters(ctx, filter, store.ReplayOptions{})
	r.seen["replayed"] += result.Accepted
	exact := err == nil && result.Accepted == len(before) && result.Chosen == len(before)
	for _, p := range before {
		r.acceptances++
		p.order, p.disorder = r.acceptances, !exact
	}
	if !exact {
		r.disturb(filter)
	}
}

// replayable are the letters that a replay would take now: those on the disk, if nothing else is under way.
func (r *keptRun) replayable(filter store.DeadLetterFilter) (passages []*keptPassage) {
	for _, l := range r.view().letters {
		if filter.Endpoint == "" || filter.Endpoint == l.endpoint {
			passages = append(passages, r.oracleNamed(l.endpoint).passages[l.event])
		}
	}
	return passages
}

// disturb notes that nobody knows which events a replay took.
func (r *keptRun) disturb(filter store.DeadLetterFilter) {
	for _, o := range r.oracles {
		if filter.Endpoint != "" && filter.Endpoint != o.Name {
			continue
		}
		for _, p := range o.ordered {
			p.disorder = p.disorder || !p.givenUp.IsZero() || !o.lettered(p, time.Now()).IsZero()
		}
	}
}

func (crash) perform(r *keptRun) { r.crash() }

func (c cutting) perform(r *keptRun) {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	r.disk.cut = &c
}

func (f failing) perform(r *keptRun) {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	r.disk.failing, r.disk.until = f, time.Now().Add(f.lasts)
}

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing, d.cut = failing{}, nil
}

func (d damaging) perform(r *keptRun) {
	name := r.oracles[d.endpoint].Name
	read, err := r.observer.Held(name, 0, delivery.Volume{Events: 1 << 30, Bytes: 1 << 50})
	r.must(err)
	if len(read.Events) == 0 {
		return
	}
	stored := read.Events[d.nth%len(read.Events)]
	e, err := r.recognise(stored.Event)
	r.must(err)
	r.damaged[e] = true
	r.seen["damaged"]++
	r.disk.Damage(name, stored.Number)
}

func (stopping) perform(r *keptRun) { r.stop() }
