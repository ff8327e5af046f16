package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// ErrUnknownEndpoint is why a replay leaves a dead letter alone whose endpoint is not configured any more.
var ErrUnknownEndpoint = errors.New("there is no endpoint of this name")

// Offer hands an event to the endpoint of this name alone. It fails with messages.ErrQueueFull, messages.ErrTooLarge,
// messages.ErrClosed or ErrUnknownEndpoint.
type Offer func(endpoint string, event *messages.Envelope) error

// maxReplayInterval is the longest time between two events of a replay.
const maxReplayInterval = 24 * time.Hour

// ReplayOptions change how a replay goes. The zero value replays as fast as it can, to the end.
type ReplayOptions struct {
	DryRun    bool          // count what the filter chooses, and replay nothing
	PerSecond float64       // events that go out in a second, at least one a day; 0: any number
	Most      time.Duration // after which it ends early (ReplayResult.More), once one event was accepted and the next may go out; 0: never
}

// ReplayResult is what one replay did. It counts letters that its filter chose.
type ReplayResult struct {
	Chosen          int       `json:"chosen"`            // what a dry run counts; else all of the following
	Accepted        int       `json:"accepted"`          // events that their endpoint took into its queue
	Left            int       `json:"left"`              // left for a later replay, because the queue of their endpoint is full
	UnknownEndpoint int       `json:"unknown_endpoint"`  // of endpoints that are not configured any more
	TooLarge        int       `json:"too_large"`         // larger than the queue of their endpoint
	Unreadable      int       `json:"unreadable"`        // whose event can't be read
	Skipped         int       `json:"skipped,omitempty"` // letters that can't be read at all
	More            bool      `json:"more,omitempty"`    // not all were looked at: a replay with the same Until goes on
	Until           time.Time `json:"until"`             // letters given up then or later were not looked at
}

// Replay offers the event of every letter that the filter chooses, and that was given up before it began, to the letter's
// endpoint, as it was: with its event_id, timestamp and broker_id. What its endpoint takes is no letter any more; if it is
// given up again, it is a new one. Of an endpoint whose queue is full the rest is left.
//
// Several replays share the letters: none offers what another has. The errors are those of Letters.List and
// messages.ErrClosed, and come with what was done so far.
func Replay(ctx context.Context, letters Letters, filter DeadLetterFilter, offer Offer, options ReplayOptions) (ReplayResult, error) {
	began := time.Now()
	filter = filter.before(began)
	run := replayRun{letters: letters, offer: offer, refusing: map[string]error{}, result: ReplayResult{Until: filter.Until}}
	if options.PerSecond > 0 {
		run.interval = time.Duration(min(float64(time.Second)/options.PerSecond, float64(maxReplayInterval)))
	}
	for page, err := range pages(ctx, letters, filter) {
		if err != nil {
			return run.result, err
		}
		run.result.Skipped += page.Skipped
		if options.DryRun {
			run.result.Chosen += len(page.Letters)
			continue
		}
		for _, letter := range page.Letters {
			if err := run.awaitTurn(ctx); err != nil {
				return run.result, err
			}
			if options.Most > 0 && run.result.Accepted > 0 && time.Since(began) >= options.Most {
				run.result.More = true
				return run.result, nil
			}
			if err := run.replay(ctx, letter); err != nil {
				return run.result, err
			}
		}
	}
	return run.result, nil
}

// replayRun is one replay under way.
type replayRun struct {
	letters  Letters
	offer    Offer
	refusing map[string]error // endpoints that take nothing, and why
	interval time.Duration    // between two events
	next     time.Time        // not before then
	result   ReplayResult
}

// awaitTurn waits until the next event may go out. Its errors are ctx's.
func (r *replayRun) awaitTurn(ctx context.Context) error {
	wait := time.Until(r.next)
	if r.interval == 0 || wait <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *replayRun) replay(ctx context.Context, letter *DeadLetterRecord) error {
	err, refusing := r.refusing[letter.Endpoint]
	if !refusing {
		err = r.send(ctx, letter)
	}
	var unreadable *UnreadableError
	switch {
	case errors.Is(err, ErrNoDeadLetter): // somebody else was first
		return nil
	case err == nil:
		r.result.Accepted++
		r.next = time.Now().Add(r.interval)
	case errors.Is(err, messages.ErrQueueFull):
		r.result.Left++
		r.refusing[letter.Endpoint] = err
	case errors.Is(err, ErrUnknownEndpoint):
		r.result.UnknownEndpoint++
		r.refusing[letter.Endpoint] = err
	case errors.Is(err, messages.ErrTooLarge):
		r.result.TooLarge++
	case errors.As(err, &unreadable):
		r.result.Unreadable++
	default:
		return fmt.Errorf("replay a dead letter: %w", err)
	}
	r.result.Chosen++
	return nil
}

func (r *replayRun) send(ctx context.Context, letter *DeadLetterRecord) error {
	claim, err := r.letters.TakeBack(ctx, letter.ID)
	if err != nil {
		return err
	}
	err = r.offer(claim.Letter.Endpoint, claim.Letter.Event)
	claim.End(err == nil)
	return err
}
