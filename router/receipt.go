package router

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/messages"
)

// NotifySafe hands several events over, as NotifyAll does, and returns when all of them are safe: each endpoint that wants
// one holds it, or has ended with it. Its errors are those of NotifyAll, messages.ErrQueueFull also for an event that gave
// way to others; messages.ErrUnavailable where the store fails; and ctx's, after which nobody knows whether they are safe.
func (h *Handle) NotifySafe(ctx context.Context, envelopes ...*messages.Envelope) error {
	safe := make(chan error, 1)
	if err := h.NotifyReceipt(func(err error) { safe <- err }, envelopes...); err != nil {
		return err
	}
	select {
	case err := <-safe:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait until the events are safe: %w", context.Cause(ctx))
	}
}

// NotifyReceipt is NotifySafe for who does not wait: receipt is called once, from any goroutine and perhaps before
// NotifyReceipt returns, when all events are safe, or with the reason why they are not. It has to return at once. Where
// NotifyReceipt fails the events were not taken, and receipt is not called.
func (h *Handle) NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error {
	if err := h.router.storeFails(); err != nil {
		return err
	}
	wanted, err := h.admitAll(envelopes)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		receipt(nil)
		return nil
	}
	each := newReceipts(len(wanted), receipt)
	return h.router.mailbox.OfferForReceipt(each.one, wanted...)
}

// admitAll makes envelopes ready for the mailbox, and turns away what no endpoint wants.
func (h *Handle) admitAll(envelopes []*messages.Envelope) ([]*messages.Envelope, error) {
	wanted := make([]*messages.Envelope, 0, len(envelopes))
	for _, envelope := range envelopes {
		switch _, _, err := h.router.admit(envelope); {
		case err == nil:
			wanted = append(wanted, envelope)
		case !errors.Is(err, actors.ErrUnwanted):
			return nil, fmt.Errorf("take an event: %w", err)
		}
	}
	if err := h.router.mailbox.TurnAway(len(envelopes) - len(wanted)); err != nil {
		_ = h.router.mailbox.Offer(wanted...) // closed too: it is counted
		return nil, err
	}
	return wanted, nil
}

// receipts makes one receipt of those of several events.
type receipts struct {
	left   atomic.Int64
	failed atomic.Pointer[error] // the first error
	all    func(error)
}

func newReceipts(events int, all func(error)) *receipts {
	r := &receipts{all: all}
	r.left.Store(int64(events))
	return r
}

// one is the receipt of one of the events.
func (r *receipts) one(err error) {
	if err != nil {
		r.failed.CompareAndSwap(nil, &err)
	}
	if r.left.Add(-1) > 0 {
		return
	}
	if failed := r.failed.Load(); failed != nil {
		err = *failed
	}
	r.all(err)
}
