package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// statsEvery is after how many events of a burst the account is read while the router is at work.
const statsEvery = 25

// perform hands the events over and follows each to the endpoints that want it.
func (o offering) perform(r *run) {
	if !o.apart && r.oneClass(o) {
		o.performAtOnce(r)
		return
	}
	for _, spec := range o.events {
		offering{way: o.way, events: []eventSpec{spec}}.performAtOnce(r)
		r.check()
	}
}

func (t trickle) perform(r *run) {
	for range t.events {
		offering{way: byNotify, events: []eventSpec{t.spec}}.performAtOnce(r)
		r.pass(t.every)
		if r.broken != nil {
			return
		}
	}
}

// oneClass tells whether what is handed over, and all that is held, is of one class. Where several are together, what a
// burst drops depends on what goes out between.
func (r *run) oneClass(o offering) bool {
	classes := map[string]bool{}
	for _, spec := range o.events {
		classes[spec.class()] = true
	}
	for _, oracle := range r.oracles {
		for _, p := range oracle.held {
			classes[p.class()] = true
		}
	}
	return len(classes) == 1
}

func (o offering) performAtOnce(r *run) {
	if o.way == byPID && r.stopped() {
		return // what is sent to an actor that is no more, the actor system counts
	}
	events := r.newEvents(o)
	refusals := r.handOver(o.way, events)
	synctest.Wait()
	routed := r.admit(o.way, events, refusals)
	r.forward(routed)
}

func (r *run) newEvents(o offering) []*event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var events []*event
	for _, spec := range o.events {
		e := &event{eventSpec: spec, number: len(r.events), offered: time.Now()}
		if o.way == byNotifyAll && e.number%2 == 0 {
			e.id = fmt.Sprintf("given-%d", e.number)
		}
		if err := e.measure(); err != nil {
			r.breaks("an event is admitted", "%v", err)
		}
		r.events = append(r.events, e)
		events = append(events, e)
	}
	return events
}

// handOver returns the error for each event; nil for those that were sent to the PID.
func (r *run) handOver(how way, events []*event) []error {
	refusals := make([]error, len(events))
	switch how {
	case byNotifyAll:
		var envelopes []*messages.Envelope
		for _, e := range events {
			envelopes = append(envelopes, e.envelope())
		}
		err := r.handle.NotifyAll(context.Background(), envelopes...)
		for i := range refusals {
			refusals[i] = err
		}
	case byNotify:
		for i, e := range events {
			refusals[i] = r.handle.Notify(context.Background(), e.typed())
			r.checkBalance(i)
		}
	case byPID:
		for i, e := range events {
			r.system.Root.Send(r.handle.PID(), e.typed())
			r.checkBalance(i)
		}
	}
	return refusals
}

// checkBalance checks that the accounts add up in the midst of a burst.
func (r *run) checkBalance(i int) {
	if i%statsEvery != statsEvery-1 {
		return
	}
	stats := r.handle.Stats()
	if !balanced(stats.Mailbox) {
		r.breaks("offered = routed + unwanted + dropped + queued", "%+v", stats.Mailbox)
	}
	for _, endpoint := range stats.Endpoints {
		if !balanced(endpoint.Ledger) {
			r.breaks("accepted = delivered + dropped + dead_lettered + held", "%+v", endpoint)
		}
	}
}

// admit accounts for what the root mailbox took, and returns that. It was empty before.
func (r *run) admit(how way, events []*event, refusals []error) []*event {
	r.root.accepted += uint64(len(events))
	if len(r.closings) > 0 {
		return r.admitNone(how, events, refusals, "closed", messages.ErrClosed)
	}
	events, refusals = r.turnAway(how, events, refusals)
	switch {
	case r.rootHolds(events...):
		r.expect(how, refusals, nil)
		return events
	case how == byNotifyAll || len(events) == 1:
		return r.admitNone(how, events, refusals, "too_large", messages.ErrTooLarge)
	}
	return r.admitSome(how, events, refusals)
}

// turnAway accounts for what no endpoint wants, which takes no place, and returns the rest.
func (r *run) turnAway(how way, events []*event, refusals []error) (wanted []*event, rest []error) {
	for i, e := range events {
		isWanted := slices.ContainsFunc(r.oracles, func(o *oracle) bool { return e.wantedBy(o.Endpoint) })
		if r.handle.Wants(e.eventType, e.typed().RoutingTopic()) != isWanted {
			r.breaks("Wants tells whether any endpoint wants an event", "%v", e)
		}
		switch {
		case isWanted:
			wanted, rest = append(wanted, e), append(rest, refusals[i])
		case how != byNotifyAll:
			r.expect(how, refusals[i:i+1], nil)
			fallthrough
		default:
			r.root.fates["unwanted"]++
		}
	}
	return wanted, rest
}

func (r *run) rootHolds(events ...*event) bool {
	bytes := 0
	for _, e := range events {
		bytes += e.size
	}
	return len(events) <= r.webhook.QueueSize && bytes <= int(r.webhook.QueueBytes)
}

func (r *run) admitNone(how way, events []*event, refusals []error, reason string, err error) []*event {
	r.root.fates[dropped+reason] += uint64(len(events))
	r.expect(how, refusals, err)
	return nil
}

// expect checks what the sender is told; who sends to the PID is told nothing.
func (r *run) expect(how way, refusals []error, expected error) {
	for _, err := range refusals {
		if how != byPID && !errors.Is(err, expected) {
			r.breaks("the sender learns whether its event was taken", "%v, not %v", err, expected)
		}
	}
}

// admitSome looks at what reached the witness, because how many of a burst find room depends on how fast the router is.
// The events of a burst are alike.
func (r *run) admitSome(how way, events []*event, refusals []error) []*event {
	reached := map[*event]bool{}
	witness := r.receivers[len(r.receivers)-1]
	witness.mu.Lock()
	for _, m := range witness.unread {
		reached[m.events[0]] = true
	}
	witness.mu.Unlock()
	var routed []*event
	for i, e := range events {
		switch refused := errors.Is(refusals[i], messages.ErrQueueFull); {
		case reached[e] && refused:
			r.breaks("an event that was refused goes nowhere", "%v", e)
		case reached[e]:
			routed = append(routed, e)
		case r.webhook.DropPolicy == config.DropOldest:
			r.root.fates[evicted]++
			r.expect(how, refusals[i:i+1], nil)
		default:
			r.root.fates[dropped+"refused"]++
			r.expect(how, refusals[i:i+1], messages.ErrQueueFull)
		}
	}
	if len(routed) < len(events) && len(routed) < min(r.webhook.QueueSize, int(r.webhook.QueueBytes)/events[0].size-1) {
		r.breaks("no event is dropped while there is room for it", "%d of %d were routed", len(routed), len(events))
	}
	return routed
}

// forward gives the oracles the events that their endpoints want.
func (r *run) forward(events []*event) {
	stats := r.handle.Stats()
	for i, o := range r.oracles {
		var arriving []*event
		for _, e := range events {
			if e.wantedBy(o.Endpoint) {
				arriving = append(arriving, e)
			}
		}
		r.receivers[i].mu.Lock()
		o.arrive(arriving, stats.Endpoints[i].Ledger, r.receivers[i].unread)
		r.receivers[i].mu.Unlock()
	}
	if len(events) > 0 {
		r.root.fates["routed"] += uint64(len(events))
	}
}
