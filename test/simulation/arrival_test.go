package simulation

import (
	"slices"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
)

// arrive takes events that the router forwarded at one moment, in their order, before the requests that follow from it.
// Where several are too many for drop_policy oldest, what is dropped depends on how many went out between; the
// endpoint's ledger, read afterwards, tells that.
func (o *oracle) arrive(events []*event, ledger delivery.Ledger, moments []moment) {
	if len(events) > 1 && o.DropPolicy == config.DropOldest && !o.fits(len(o.held), o.bytes(), events...) {
		o.arriveTogether(events, ledger, moments)
		return
	}
	for _, e := range events {
		o.arriveAlone(e)
	}
}

func (o *oracle) arriveAlone(e *event) {
	if !o.fits(0, 0, e) {
		o.refuse("too_large")
		return
	}
	victims, ok := o.givingWay(e)
	if !ok {
		o.refuse("refused")
		return
	}
	for _, p := range victims {
		o.evict(p, e)
	}
	o.accept(e)
}

// arriveTogether learns from the ledger how many were dropped, and knows from the rules which.
func (o *oracle) arriveTogether(events []*event, ledger delivery.Ledger, moments []moment) {
	refused := int(ledger.ByReason(delivery.KindDropped)["refused"] - o.account.fates[dropped+"refused"])
	for i, e := range events {
		switch {
		case !o.fits(0, 0, e):
			o.refuse("too_large")
		case i >= len(events)-refused: // what was sent meanwhile gives way to none, so it was the last that found no room
			o.refuse("refused")
		default:
			o.accept(e)
		}
	}
	var candidates []*passage
	retries := 0
	for _, p := range o.held {
		switch begins := slices.ContainsFunc(moments, func(m moment) bool { return m.has(p.event) }); {
		case p.place() == waiting && !begins:
			candidates = append(candidates, p)
		case p.place() == retrying && !begins && o.Batch.MaxEvents == 1:
			retries++
		}
	}
	o.evictDown(candidates, ledger.Waiting)
	for ; o.Batch.MaxEvents == 1 && retries > ledger.Retrying; retries-- {
		o.settle(o.oldest(retrying), evicted)
	}
}

// evictDown drops the oldest until so many are left, and checks that there was need to.
func (o *oracle) evictDown(candidates []*passage, left int) {
	dropped := len(candidates) - left
	if dropped < 0 {
		o.breaks("an endpoint holds what it accepted", "%d events wait, of %d that could", left, len(candidates))
		return
	}
	for _, p := range candidates[:dropped] {
		o.settle(p, evicted)
	}
	if dropped > 0 && o.fits(len(o.held), o.bytes(), candidates[dropped-1].event) {
		o.breaks("no event is dropped while there is room for it", "%v", candidates[dropped-1])
	}
}

func (o *oracle) evict(p *passage, newcomer *event) {
	if p.place() == retrying {
		o.seen["retry evicted"]++
	}
	if p.class() != newcomer.class() {
		o.seen["another class gave way"]++
	}
	o.settle(p, evicted)
}

func (o *oracle) oldest(where place) *passage {
	for _, p := range o.held {
		if p.place() == where {
			return p
		}
	}
	return nil
}

func (o *oracle) accept(e *event) {
	o.arrivals++
	p := &passage{event: e, order: o.arrivals, came: o.now}
	o.passages[e] = p
	o.held = append(o.held, p)
	o.account.accepted++
}

func (o *oracle) refuse(reason string) {
	o.account.accepted++
	o.account.fates[dropped+reason]++
}

// fits tells whether the events fit beside what takes so much room.
func (o *oracle) fits(held int, bytes int64, events ...*event) bool {
	for _, e := range events {
		bytes += int64(e.size)
	}
	return held+len(events) <= o.QueueSize && bytes <= int64(o.QueueBytes)
}

func (o *oracle) bytes() int64 { return bytesOf(o.held) }

func bytesOf(passages []*passage) int64 {
	bytes := int64(0)
	for _, p := range passages {
		bytes += int64(p.size)
	}
	return bytes
}
