package simulation

import (
	"slices"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// read takes what the receiver saw of the present process.
func (o *keptOracle) read(moments []moment) {
	o.story = append(o.story, moments...)
	for _, m := range moments {
		if m.ends {
			o.readEnd(m)
		} else {
			o.readBeginning(m)
		}
	}
}

func (o *keptOracle) readEnd(m moment) {
	o.flying--
	for _, e := range m.events {
		for _, s := range o.passages[e].sightings {
			if s.attempt == m.attempt {
				s.ended = m.at
			}
		}
	}
	if !m.cutShort && !m.panicked && m.outcome.Kind == messages.OutcomeDelivered {
		o.delivered += uint64(len(m.events))
	}
}

func (o *keptOracle) readBeginning(m moment) {
	o.flying++
	if o.flying > o.Workers {
		o.breaks("no more requests are in flight than workers", "%v", m.attempt)
	}
	for _, e := range m.events {
		p := o.passages[e]
		if p == nil || p.refused {
			o.breaks("an endpoint gets only events that its filters let through and that were not refused", "%v was sent", e)
			p = o.offerAnyway(e)
		}
		o.checkOrder(p, m)
		o.checkAgain(p, m)
		p.sightings = append(p.sightings, &sighting{attempt: m.attempt, process: o.run.process, began: m.at})
	}
}

// offerAnyway lets the reading of a broken run go on.
func (o *keptOracle) offerAnyway(e *event) *keptPassage {
	p := &keptPassage{event: e}
	o.passages[e] = p
	return p
}

// checkOrder checks that a process sends events for the first time in the order of acceptance, and with workers: 1 none
// before those that it sent before have their fate.
func (o *keptOracle) checkOrder(p *keptPassage, m moment) {
	if o.Workers > 1 || p.disorder || o.sentBefore(p, m) {
		return
	}
	if p.order < o.latest {
		o.breaks("with workers: 1 events arrive in order, retries and restarts included", "%v was accepted before what was sent", p)
	}
	o.latest = p.order
	for _, other := range o.ordered {
		if !other.disorder && other.order < p.order && o.isUnfinished(other, m) && !m.has(other.event) && o.holdsAll() && o.knowsLetters() {
			o.breaks("with workers: 1 events arrive in order, retries and restarts included", "%v went before %v", p, other)
			return
		}
	}
}

func (o *keptOracle) sentBefore(p *keptPassage, m moment) bool {
	return slices.ContainsFunc(o.since(p, m.at), func(s *sighting) bool { return s.process == o.run.process })
}

// isUnfinished tells whether the present process has sent the event, and it has no fate yet.
func (o *keptOracle) isUnfinished(p *keptPassage, m moment) bool {
	sightings := o.since(p, m.at)
	if len(sightings) == 0 {
		return false
	}
	s := sightings[len(sightings)-1]
	return s.process == o.run.process && !s.delivered() && p.givenUp.Before(s.began)
}

// knowsLetters tells whether memory still has all letters of the present process.
func (o *keptOracle) knowsLetters() bool {
	return len(o.run.process.handle.DeadLetters()) < store.MaxDeadLetters
}

// checkAgain checks whether an event may go out that did before.
func (o *keptOracle) checkAgain(p *keptPassage, m moment) {
	charged := 0
	for _, s := range o.since(p, m.at) {
		switch {
		case s.ended.IsZero() && s.process == o.run.process:
			o.breaks("an event is in flight once", "%v", p)
		case s.processed() && o.Retry.MaxAttempts == 1:
			o.breaks("with max_attempts: 1 nothing is sent twice that may have been processed", "%v after %v", p, s.tell())
		case s.delivered() && (s.process == o.run.process || s.process.committed(s.ended)):
			o.breaks("what was delivered is sent again only if a crash came before its commit", "%v", p)
		case s.delivered():
			o.run.seen["delivered again after a crash"]++
		case s.charges() && (s.process == o.run.process || s.process.committed(s.ended)):
			charged++
		}
	}
	if o.Batch.MaxEvents == 1 && charged >= o.Retry.MaxAttempts {
		o.breaks("max_attempts bounds the attempts charged, over crashes", "%v has had %d", p, charged)
	}
	if charged > 0 && len(o.since(p, m.at)) > 0 && o.since(p, m.at)[0].process != o.run.process {
		o.run.seen["charged before a crash"]++
	}
}

func (s *sighting) charges() bool {
	return !s.ended.IsZero() && !s.cutShort && !s.panicked && s.outcome.Kind == messages.OutcomeFailed
}

func (s *sighting) tell() string {
	return moment{at: s.ended, attempt: s.attempt, ends: !s.ended.IsZero()}.tell()
}
