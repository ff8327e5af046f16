package router

import (
	"context"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// DeadLetters lists the latest dead letters, the oldest first: up to 1,000, or 16 MiB.
func (h *Handle) DeadLetters() []*store.DeadLetter {
	return h.router.deadLetters.Latest()
}

// ListDeadLetters finds the dead letters that the query chooses, the oldest first, without their events: in the files of
// dead_letters.dir, or without one among the latest in memory. Its errors are ctx's; messages.ErrClosed after Close;
// store.ErrNoDeadLetter where the one to begin after is not kept any more; and those of reading the files.
func (h *Handle) ListDeadLetters(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	return h.router.deadLetters.List(ctx, query)
}

// DeadLetter returns one dead letter with its event. Its errors are those of ListDeadLetters.
func (h *Handle) DeadLetter(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	return h.router.deadLetters.Find(ctx, id)
}

// ReplayDeadLetters offers the event of every open dead letter that the filter chooses to the letter's endpoint, and to no
// other, with the event_id, timestamp and broker_id that it had. The endpoint accounts for it as accepted once more. A
// letter is closed when its event is delivered, or given up again, which makes a letter of its own. It stays open when the
// event is dropped, when the endpoint is not configured any more, and at a crash before the end; so nothing is lost, and an
// event comes twice only with the same event_id.
//
// A replay drops no event: of an endpoint whose queue is full the rest is left, and counted in the result. A letter that is
// being replayed is not replayed a second time. The errors are those of ListDeadLetters; the result says what was done
// before.
func (h *Handle) ReplayDeadLetters(ctx context.Context, filter store.DeadLetterFilter) (store.ReplayResult, error) {
	return h.router.deadLetters.Replay(ctx, filter, h.router.offerReplay)
}

func (a *routerActor) offerReplay(name string, event *messages.Envelope, ended func(delivery.Fate)) error {
	for _, endpoint := range a.endpoints {
		if endpoint.Name() == name {
			return endpoint.Replay(event, ended)
		}
	}
	return store.ErrUnknownEndpoint
}
