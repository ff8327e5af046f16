package simulation

import (
	"context"
	"errors"
	"slices"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/router"
)

const (
	never   = -1                   // a closing's cancel that does not come
	forever = 365 * 24 * time.Hour // the time of a context without a deadline
)

// closingUnderWay is a call of Close.
type closingUnderWay struct {
	returned time.Time // zero before
	err      error
}

func (c closing) perform(r *run) {
	r.close(c.context())
	now := time.Now()
	for _, o := range r.oracles {
		o.now = now
		o.shutDown(c.times(now, r.webhook.ShutdownTimeout))
	}
}

func (c closing) context() (context.Context, context.CancelFunc) {
	deadline := c.deadline
	if deadline == 0 {
		deadline = forever
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	switch {
	case c.cancel == 0:
		cancel()
	case c.cancel > 0:
		time.AfterFunc(c.cancel, cancel)
	}
	return ctx, cancel
}

// times are when a Close that is called now gives up, two seconds before its deadline or a tenth of its time, and when
// it is cancelled, zero for never.
func (c closing) times(now time.Time, shutdownTimeout time.Duration) (cutoff, cancelled time.Time) {
	within := shutdownTimeout
	if c.deadline > 0 {
		within = min(within, c.deadline)
	}
	cutoff = now.Add(within - min(2*time.Second, within/10))
	switch {
	case c.cancel == 0:
		return now, time.Time{}
	case c.cancel > 0:
		return cutoff, now.Add(c.cancel)
	}
	return cutoff, time.Time{}
}

// stopped tells whether a Close has returned.
func (r *run) stopped() bool {
	return slices.ContainsFunc(r.closings, func(c *closingUnderWay) bool { return !c.returned.IsZero() })
}

func (r *run) close(ctx context.Context, cancel context.CancelFunc) {
	c := &closingUnderWay{}
	r.closings = append(r.closings, c)
	go func() {
		err := r.handle.Close(ctx)
		cancel()
		c.returned, c.err = time.Now(), err
	}()
	synctest.Wait()
}

// awaitClosed waits until every Close has to have returned, and checks that it did when nothing was held any more.
func (r *run) awaitClosed() {
	r.pass(r.webhook.ShutdownTimeout)
	over, lost := r.began, uint64(0)
	for _, o := range r.oracles {
		over = latest(over, o.drain.over)
		lost += o.account.lost
	}
	for _, c := range r.closings {
		var lostError *router.LostError
		switch {
		case c.returned.IsZero():
			r.breaks("Close ends by its deadline", "it has not returned")
		case lost == 0 && c.err != nil || lost > 0 && (!errors.As(c.err, &lostError) || lostError.Events != lost):
			r.breaks("Close says how many events are lost", "%v, not %d", c.err, lost)
		case c == r.closings[0] && !c.returned.Equal(over):
			r.breaks("Close returns as soon as nothing is held any more", "at %v, not at %v", c.returned.Sub(r.began), over.Sub(r.began))
		}
	}
}
