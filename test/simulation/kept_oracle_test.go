package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// keptOracle knows what may have become of the events of one endpoint over all processes. It does not foresee what goes
// out next, as oracle does: it holds the promises of a store against what the receivers and the disk saw.
type keptOracle struct {
	config.Endpoint
	run   *keptRun
	index int

	passages map[*event]*keptPassage
	ordered  []*keptPassage // as they were offered
	dropped  uint64         // by processes that ended

	// Of the present process.
	receiver  *receiver
	delivered uint64
	flying    int
	latest    int // the order of the event that was sent for the first time latest

	story []moment
}

// keptPassage is the way of an event to one endpoint.
type keptPassage struct {
	*event
	order     int  // of acceptance
	disorder  bool // nobody knows its order
	refused   bool // its sender was told so
	safe      bool // it got its receipt, or was on the disk
	sightings []*sighting
	givenUp   time.Time // latest, by the present process
}

// sighting is an attempt that brought an event.
type sighting struct {
	*attempt
	process *process
	began   time.Time
	ended   time.Time // zero: nobody heard of its end
}

func newKeptOracle(endpoint config.Endpoint, r *keptRun, index int) *keptOracle {
	return &keptOracle{Endpoint: endpoint, run: r, index: index, passages: map[*event]*keptPassage{}}
}

func (o *keptOracle) breaks(rule, detail string, args ...any) {
	o.run.breaks(rule, "endpoint %s: %s", o.Name, fmt.Sprintf(detail, args...))
}

// begin begins a process, and end ends it.
func (o *keptOracle) begin(r *receiver) {
	o.receiver, o.delivered, o.flying, o.latest = r, 0, 0, 0
	for _, p := range o.ordered {
		p.givenUp = time.Time{}
	}
}

func (o *keptOracle) end(l delivery.Ledger) { o.dropped += l.Total(delivery.KindDropped) }

// offer takes an event that is handed over.
func (o *keptOracle) offer(e *event, order int) *keptPassage {
	if !e.wantedBy(o.Endpoint) {
		return nil
	}
	p := &keptPassage{event: e, order: order}
	o.passages[e] = p
	o.ordered = append(o.ordered, p)
	return p
}

// giveUp takes a letter that the present process has in memory.
func (o *keptOracle) giveUp(letter *store.DeadLetter) {
	e, err := o.run.recognise(letter.Event)
	if err != nil {
		o.breaks("a dead letter has the bytes that were handed over", "%v", err)
		return
	}
	o.passages[e].givenUp = latest(o.passages[e].givenUp, letter.Time)
}

// lettered is when the event was given up last, before the given time, of which there was a letter on the disk; zero for
// never.
func (o *keptOracle) lettered(p *keptPassage, before time.Time) (last time.Time) {
	d := o.run.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.letters[o.Name][p.number] {
		if at.Before(before) {
			last = latest(last, at)
		}
	}
	return last
}

// since are the attempts up to the given time since the event was a letter last.
func (o *keptOracle) since(p *keptPassage, until time.Time) []*sighting {
	at := o.lettered(p, until)
	first := slices.IndexFunc(p.sightings, func(s *sighting) bool { return s.began.After(at) })
	if first < 0 {
		return nil
	}
	return p.sightings[first:]
}

func (s *sighting) delivered() bool {
	return !s.ended.IsZero() && !s.cutShort && !s.panicked && s.outcome.Kind == messages.OutcomeDelivered
}

// processed tells whether the receiver may have done something with it. A batch over which an attempt panics is sent again
// in parts all the same, to find the event that is to blame.
func (s *sighting) processed() bool {
	if s.panicked {
		return len(s.events) == 1
	}
	return s.ended.IsZero() || processed(s.outcome)
}

func (o *keptOracle) deliveredSince(p *keptPassage) *sighting {
	for _, s := range slices.Backward(o.since(p, time.Now().Add(1))) {
		if s.delivered() {
			return s
		}
	}
	return nil
}

// compare checks what the endpoint, and its store, say of it.
func (o *keptOracle) compare(l delivery.Ledger, record store.EndpointRecord) {
	drops := l.ByReason(delivery.KindDropped)
	damaged := drops["damaged"]
	switch {
	case !balanced(l):
		o.breaks("accepted = delivered + dropped + dead_lettered + held", "%+v", l)
	case l.Of(delivery.Delivered) != o.delivered:
		o.breaks("what the receiver took is delivered", "%d, not %d", l.Of(delivery.Delivered), o.delivered)
	case l.Kept != l.Held():
		o.breaks("all that is held is kept", "%+v", l)
	case damaged > uint64(len(o.run.damaged)):
		o.breaks("nothing is damaged that was sound", "%d events, of %d", damaged, len(o.run.damaged))
	case o.holdsAll() && l.Total(delivery.KindDropped) > damaged:
		o.breaks("no event is dropped while there is room for it", "%v", drops)
	case !accountBalanced(record):
		o.breaks("the store's account adds up", "%+v", record)
	case events(record.Held) != l.Held():
		o.breaks("the store knows how much is held", "%d events, not %d", events(record.Held), l.Held())
	}
}

// holdsAll tells whether there is room for all events that were ever handed over.
func (o *keptOracle) holdsAll() bool {
	bytes := int64(0)
	for _, p := range o.ordered {
		bytes += int64(p.size)
	}
	return len(o.ordered) <= o.QueueSize && bytes <= int64(o.QueueBytes) && o.run.storeHoldsAll()
}

// storeHoldsAll tells the same of the store.
func (r *keptRun) storeHoldsAll() bool {
	if r.maxBytes == 0 {
		return true
	}
	bytes := int64(0)
	for _, o := range r.oracles {
		for _, p := range o.ordered {
			bytes += int64(p.size)
		}
	}
	return bytes <= int64(r.maxBytes)
}

func accountBalanced(record store.EndpointRecord) bool {
	a := record.Account
	sum := a.Delivered + uint64(events(record.Held))
	for _, n := range a.Dropped {
		sum += n
	}
	for _, n := range a.DeadLettered {
		sum += n
	}
	return a.Accepted == sum
}

func events(volumes [messages.ClassCount]delivery.Volume) int {
	n := 0
	for _, volume := range volumes {
		n += volume.Events
	}
	return n
}

// compareDisk checks what is on the disk.
func (o *keptOracle) compareDisk(v *endpointView) {
	switch {
	case v.twice != nil:
		o.breaks("an event is held, or a dead letter, once", "%v", v.twice)
	case !accountBalanced(v.record):
		o.breaks("the store's account adds up", "on the disk: %+v", v.record)
	case v.record.Held != v.volumes:
		o.breaks("the store knows how much is held", "on the disk: %v, not %v", v.record.Held, v.volumes)
	}
	for e := range v.held {
		p := o.passages[e]
		if p == nil || p.refused {
			o.breaks("what is held was handed over", "%v", e)
			return
		}
		p.safe = true
		if s := o.deliveredSince(p); s != nil && s.process.committed(s.ended) {
			o.breaks("what has its fate is held no more", "%v, which was delivered", e)
		}
	}
	for e := range v.letters {
		o.passages[e].safe = true
	}
}

// checkSafe looks for events that are safe and nowhere.
func (o *keptOracle) checkSafe(v *endpointView, l delivery.Ledger) {
	var missing []*keptPassage
	for _, p := range o.ordered {
		if p.safe && !o.run.damaged[p.event] && !v.has(p.event) && o.deliveredSince(p) == nil {
			missing = append(missing, p)
		}
	}
	if counted := o.dropped + l.Total(delivery.KindDropped); uint64(len(missing)) > counted {
		o.breaks("what got its receipt is held, delivered, a dead letter, or dropped and counted", "%d are not, the first is %v; %d are counted",
			len(missing), missing[0], counted)
	}
}
