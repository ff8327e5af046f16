package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Restore lets a store keep what the endpoint holds, and gives the endpoint what is kept. It is called once, before the
// actor is spawned. window is how many bytes of it may be in memory.
func (e *Endpoint) Restore(held *store.Held, window int64) {
	e.held = held
	e.rules.Restore(held, held.Kept(), window)
}

// GiveWay drops what gives way first, until so many bytes are free, and returns how many are. With drop_policy newest
// nothing gives way.
func (e *Endpoint) GiveWay(bytes int64) int64 {
	freed, signals := e.backlog.GiveWay(bytes)
	e.mailbox.signal(signals)
	return freed
}

// Refuse accounts for an event that the endpoint is not offered, because there is no room for it.
func (e *Endpoint) Refuse() {
	e.mailbox.signal(e.backlog.Refuse(delivery.DroppedRefused))
}

// readEnded brings the actor what was read ahead.
type readEnded struct {
	records store.HeldRecords
	err     error
}

// attemptMarked tells the actor that the store knows that an attempt begins, or does not.
type attemptMarked struct {
	delivery *delivery.Delivery
	err      error
}

// readAhead reads what comes next from behind the window, beside the actor.
func (a *endpointActor) readAhead(now time.Time) {
	after, most, ok := a.rules.ReadAhead(now)
	if !ok {
		return
	}
	a.attempts.Go(func() {
		records, err := a.held.Read(after, most)
		a.mailbox.PostUserMessage(&readEnded{records, err})
	})
}

func (a *endpointActor) fill(now time.Time, read *readEnded) {
	if read.err != nil {
		a.complaints.readFailed(now, a.log, read.err)
		a.rules.ReadFailed(now)
		return
	}
	damaged := make([]delivery.Stub, 0, len(read.records.Damaged))
	for _, record := range read.records.Damaged {
		a.log.Error("an event that the store kept can't be read any more, and is dropped", "number", record.Number, "error", record.Err)
		damaged = append(damaged, record.Stub)
	}
	a.rules.Filled(now, delivery.Read{Events: read.records.Events, Damaged: damaged, Through: read.records.Through})
}

// mark has the attempt of a delivery wait until the store knows that it begins.
func (a *endpointActor) mark(d *delivery.Delivery) {
	a.marking[d] = struct{}{}
	a.rules.Mark(d)
	a.held.Synced(func(err error) { a.mailbox.PostUserMessage(&attemptMarked{d, err}) })
}

// marked begins an attempt that the store knows of, unless the endpoint stops.
func (a *endpointActor) marked(ctx actor.Context, message *attemptMarked) {
	d := message.delivery
	if _, waits := a.marking[d]; !waits {
		return
	}
	delete(a.marking, d)
	switch {
	case message.err != nil:
		outcome := messages.Outcome{Kind: messages.OutcomeLocal, Err: fmt.Errorf("note that an attempt begins: %w", message.err)}
		a.end(ctx, &attemptEnded{delivery: d, id: d.ID(), outcome: outcome})
	case a.rules.Draining():
		a.unmark(d)
	default:
		a.begin(d)
	}
}

var errStopping = errors.New("the endpoint stops")

// unmark puts a delivery back whose attempt does not begin any more.
func (a *endpointActor) unmark(d *delivery.Delivery) {
	a.rules.Settle(time.Now(), d, messages.Outcome{Kind: messages.OutcomeLocal, Err: errStopping})
}
