package router

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// DeadLetters lists the latest dead letters that are in memory, the oldest first: up to 1,000, or 16 MiB.
func (h *Handle) DeadLetters() []*store.DeadLetter {
	return h.router.deadLetters.Latest()
}

// ListDeadLetters finds the dead letters that the query chooses, the oldest first, without their events: in the store, or
// without one among the latest in memory. A page may be empty though others follow it. Its errors are ctx's;
// messages.ErrClosed after Close; and those of reading.
func (h *Handle) ListDeadLetters(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	if h.stopped() {
		return store.DeadLetterPage{}, messages.ErrClosed
	}
	return h.router.deadLetters.List(ctx, query)
}

// DeadLetter returns one dead letter with its event. Its errors are those of ListDeadLetters and store.ErrNoDeadLetter.
func (h *Handle) DeadLetter(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	if h.stopped() {
		return nil, messages.ErrClosed
	}
	return h.router.deadLetters.Find(ctx, id)
}

// ReplayDeadLetters offers the event of every dead letter that the filter chooses to the letter's endpoint, and to no
// other, with the event_id, timestamp and broker_id that it had. The endpoint accounts for it as accepted once more, and it
// is no dead letter any more; if it is given up again it is a new one. The letters that are given up after the beginning
// stay, and so do those of an endpoint that is not configured any more.
//
// A replay drops no event: of an endpoint whose queue is full the rest is left, and counted in the result. Of several
// replays each letter has one. The errors are those of ListDeadLetters; the result says what was done before.
func (h *Handle) ReplayDeadLetters(ctx context.Context, filter store.DeadLetterFilter, options store.ReplayOptions) (store.ReplayResult, error) {
	if h.stopped() {
		return store.ReplayResult{}, messages.ErrClosed
	}
	ctx, end := h.untilStopped(ctx)
	defer end()
	return store.Replay(ctx, h.router.deadLetters, filter, h.router.offerReplay, options)
}

// DeleteDeadLetters deletes every dead letter that the filter chooses and that was given up before the beginning; in a dry
// run it counts them. Its errors are those of ListDeadLetters; the result says what was done before.
func (h *Handle) DeleteDeadLetters(ctx context.Context, filter store.DeadLetterFilter, dryRun bool) (store.DeleteResult, error) {
	if h.stopped() {
		return store.DeleteResult{}, messages.ErrClosed
	}
	return store.Delete(ctx, h.router.deadLetters, filter, dryRun)
}

// untilStopped is ctx, which ends with messages.ErrClosed when the router has stopped: a replay may take its time.
func (h *Handle) untilStopped(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-h.router.done:
			cancel(messages.ErrClosed)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

func (a *routerActor) offerReplay(name string, event *messages.Envelope) error {
	for _, endpoint := range a.endpoints {
		if endpoint.Name() == name {
			return endpoint.Replay(event)
		}
	}
	return store.ErrUnknownEndpoint
}
