package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/actors"
)

const (
	// Requests in flight are cancelled this long before the deadline of a drain, or a tenth of its time where that is
	// less, so that what is left can be dead-lettered in time.
	cutoffMargin   = 2 * time.Second
	cutoffFraction = 10
	// abortTime is how long the endpoints may take to account for what they hold once they are told to stop at once.
	abortTime = 2 * time.Second
)

// LostError tells that events were given up at the shutdown and nothing kept them.
type LostError struct {
	Events uint64
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%d events are lost", e.Events)
}

// Close refuses new events and delivers what the router holds, until the earlier of ctx's end and shutdown_timeout. An
// endpoint whose breaker is open gets one probe, and nobody waits for a retry or a pause that ends too late. Two seconds
// before the deadline (a tenth of the time, where that is less) requests in flight are cancelled, and what is left is
// dead-lettered. When ctx is cancelled that happens at once. With a store nothing new is sent and nothing given up: Close waits
// for the requests in flight, and what is held stays in the store, which the caller closes then.
//
// Close returns when the router's actors have stopped. Its error is a *LostError when events were given up that nothing but
// memory keeps. A second call waits as well, and may bring the deadline forward.
func (h *Handle) Close(ctx context.Context) error {
	h.router.backlog.Seal()
	if !h.stopped() {
		if err := h.drain(ctx); err != nil {
			return err
		}
	}
	if lost := h.Stats().Lost(); lost > 0 {
		return &LostError{Events: lost}
	}
	return nil
}

func (h *Handle) stopped() bool {
	select {
	case <-h.router.done:
		return true
	default:
		return false
	}
}

// drain waits for the drain, which ends by itself. When ctx ends first it brings the cutoff forward, and stops by force
// what does not heed that.
func (h *Handle) drain(ctx context.Context) error {
	cutoff := h.cutoff(ctx)
	h.system.Root.Send(h.pid, &actors.Drain{Cutoff: cutoff})
	select {
	case <-h.router.done:
		return nil
	case <-time.After(h.timeout):
	case <-ctx.Done():
		if now := time.Now(); now.Before(cutoff) {
			h.system.Root.Send(h.pid, &actors.Drain{Cutoff: now})
		}
	}
	if h.stopsWithin(abortTime) {
		return nil
	}
	h.system.Root.Stop(h.pid)
	if h.stopsWithin(abortTime) {
		return nil
	}
	return errors.New("close the router: its actors did not stop in time")
}

func (h *Handle) cutoff(ctx context.Context) time.Time {
	now := time.Now()
	if ctx.Err() != nil {
		return now
	}
	deadline := now.Add(h.timeout)
	if given, ok := ctx.Deadline(); ok && given.Before(deadline) {
		deadline = given
	}
	return deadline.Add(-min(cutoffMargin, deadline.Sub(now)/cutoffFraction))
}

func (h *Handle) stopsWithin(limit time.Duration) bool {
	select {
	case <-h.router.done:
		return true
	case <-time.After(limit):
		return false
	}
}
