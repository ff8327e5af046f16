package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// taker is an endpoint that takes what is replayed, and says no where refuse does.
type taker struct {
	took   []string
	at     []time.Time
	refuse func(endpoint string, event *messages.Envelope) error
}

func (e *taker) offer(endpoint string, event *messages.Envelope) error {
	if e.refuse != nil {
		if err := e.refuse(endpoint, event); err != nil {
			return err
		}
	}
	e.took, e.at = append(e.took, event.ID), append(e.at, time.Now())
	return nil
}

func replay(t *testing.T, letters Letters, offer Offer, options ReplayOptions) ReplayResult {
	t.Helper()
	result, err := Replay(context.Background(), letters, DeadLetterFilter{}, offer, options)
	require.NoError(t, err)
	result.Until = time.Time{}
	return result
}

func numbers(from, to int) []string {
	ids := []string{}
	for i := from; i < to; i++ {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

func TestWhatItsEndpointTakesIsNoLetterAnyMore(t *testing.T) {
	const events = 2*pageOfLetters - 1 // more than a page, and less than memory keeps
	letters := memoryOf(t, events)
	var endpoint taker
	require.Equal(t, ReplayResult{Chosen: events, Accepted: events}, replay(t, letters, endpoint.offer, ReplayOptions{}))
	require.Equal(t, numbers(0, events), endpoint.took, "in the order of giving up, each once")
	require.Empty(t, letters.Latest())
	require.Zero(t, replay(t, letters, endpoint.offer, ReplayOptions{}), "a second replay finds nothing")
}

func TestDryRunCountsAndReplaysNothing(t *testing.T) {
	const events = pageOfLetters + 7
	letters := memoryOf(t, events)
	var endpoint taker
	require.Equal(t, ReplayResult{Chosen: events}, replay(t, letters, endpoint.offer, ReplayOptions{DryRun: true, PerSecond: 1}))
	require.Empty(t, endpoint.took)
	require.Len(t, letters.Latest(), events)
}

func TestReplayLeavesWhatIsNotTakenWhereItIs(t *testing.T) {
	for name, c := range map[string]struct {
		refusal error
		asked   int
		result  ReplayResult
	}{
		"full":    {messages.ErrQueueFull, 1, ReplayResult{Chosen: 4, Accepted: 1, Left: 3}},
		"unknown": {ErrUnknownEndpoint, 1, ReplayResult{Chosen: 4, Accepted: 1, UnknownEndpoint: 3}},
		"large":   {messages.ErrTooLarge, 3, ReplayResult{Chosen: 4, Accepted: 1, TooLarge: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			letters := memoryOf(t, 3)
			other := letterOf(newEvent(t, "of another"))
			other.Endpoint = "b"
			require.NoError(t, giveUp(letters, other))
			asked := 0
			endpoint := taker{refuse: func(endpoint string, _ *messages.Envelope) error {
				if endpoint == "b" {
					return nil
				}
				asked++
				return c.refusal
			}}
			require.Equal(t, c.result, replay(t, letters, endpoint.offer, ReplayOptions{}))
			require.Equal(t, []string{"of another"}, endpoint.took, "another endpoint is not held up")
			require.Equal(t, numbers(0, 3), eventsListed(t, letters))
			require.Equal(t, c.asked, asked)
		})
	}
}

func TestReplayEndsWithTheRouterAndTellsWhatItDid(t *testing.T) {
	letters := memoryOf(t, 3)
	endpoint := taker{refuse: func(_ string, event *messages.Envelope) error {
		if event.ID == "1" {
			return messages.ErrClosed
		}
		return nil
	}}
	result, err := Replay(context.Background(), letters, DeadLetterFilter{}, endpoint.offer, ReplayOptions{})
	require.ErrorIs(t, err, messages.ErrClosed)
	require.Equal(t, 1, result.Accepted)
	require.Equal(t, numbers(1, 3), eventsListed(t, letters))
}

func TestReplayedEventThatIsGivenUpAgainIsNotReplayedAgain(t *testing.T) {
	letters := memoryOf(t, 3)
	endpoint := taker{refuse: func(_ string, event *messages.Envelope) error {
		again := letterOf(event)
		again.Time = time.Now()
		return giveUp(letters, again)
	}}
	require.Equal(t, ReplayResult{Chosen: 3, Accepted: 3}, replay(t, letters, endpoint.offer, ReplayOptions{}))
	require.Equal(t, numbers(0, 3), eventsListed(t, letters))
}

func TestReplayLooksAtWhatWasGivenUpBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := NewMemoryLetters()
		began := time.Now()
		for i, after := range []time.Duration{-time.Hour, -time.Nanosecond, 0, time.Nanosecond} {
			letter := letterOf(newEvent(t, strconv.Itoa(i)))
			letter.Time = began.Add(after)
			require.NoError(t, giveUp(letters, letter))
		}
		for until, chosen := range map[time.Time]int{
			{}: 2, began.Add(time.Hour): 2, began.Add(-time.Nanosecond): 1, began.Add(-time.Hour): 0,
		} {
			result, err := Replay(context.Background(), letters, DeadLetterFilter{Until: until}, nil, ReplayOptions{DryRun: true})
			require.NoError(t, err)
			require.Equal(t, chosen, result.Chosen, until)
			if until.IsZero() || until.After(began) {
				until = began
			}
			require.Equal(t, until.UTC(), result.Until)
		}
	})
}

func TestReplayIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := memoryOf(t, 5)
		var endpoint taker
		began := time.Now()
		require.Equal(t, ReplayResult{Chosen: 5, Accepted: 5}, replay(t, letters, endpoint.offer, ReplayOptions{PerSecond: 4}))
		for i, at := range endpoint.at {
			require.Equal(t, time.Duration(i)*250*time.Millisecond, at.Sub(began), "the first at once")
		}
	})
}

func TestPacedReplayGoesOnWhereItEndedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := memoryOf(t, 7)
		var endpoint taker
		began := time.Now()
		options := ReplayOptions{PerSecond: 0.5, Most: 5 * time.Second}
		require.Equal(t, ReplayResult{Chosen: 3, Accepted: 3, More: true}, replay(t, letters, endpoint.offer, options))
		require.Equal(t, 6*time.Second, time.Since(began), "when the next event may go out")
		require.Equal(t, ReplayResult{Chosen: 3, Accepted: 3, More: true}, replay(t, letters, endpoint.offer, options))
		require.Equal(t, ReplayResult{Chosen: 1, Accepted: 1}, replay(t, letters, endpoint.offer, options))
		for i, at := range endpoint.at {
			require.Equal(t, time.Duration(i)*2*time.Second, at.Sub(began), "the pace is kept between")
		}
	})
}

func TestPacedReplayEndsWhenItsAskerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := memoryOf(t, 3)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Minute, func() { cancel(gone) })
		began := time.Now()
		var endpoint taker
		result, err := Replay(ctx, letters, DeadLetterFilter{}, endpoint.offer, ReplayOptions{PerSecond: 1e-12})
		require.ErrorIs(t, err, gone)
		require.Equal(t, 1, result.Accepted)
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, numbers(1, 3), eventsListed(t, letters))
	})
}

// unreadable letters have lost an event, and one of them another replay takes first.
type unreadable struct {
	*MemoryLetters
	errs []error
}

func (u *unreadable) TakeBack(ctx context.Context, id uuid.UUID) (*Claim, error) {
	err := u.errs[0]
	u.errs = u.errs[1:]
	if err != nil {
		return nil, err
	}
	return u.MemoryLetters.TakeBack(ctx, id)
}

func (u *unreadable) List(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error) {
	page, err := u.MemoryLetters.List(ctx, query)
	page.Skipped = 2
	return page, err
}

func TestReplayGoesOnAfterALetterThatCanNotBeRead(t *testing.T) {
	letters := &unreadable{memoryOf(t, 3), []error{&UnreadableError{uuid.New(), errors.New("torn")}, ErrNoDeadLetter, nil}}
	var endpoint taker
	require.Equal(t, ReplayResult{Chosen: 2, Accepted: 1, Unreadable: 1, Skipped: 2}, replay(t, letters, endpoint.offer, ReplayOptions{}))
	require.Equal(t, []string{"2"}, endpoint.took)
}

func TestDeleteDeletesWhatIsChosen(t *testing.T) {
	letters := memoryOf(t, pageOfLetters+20)
	other := letterOf(newEvent(t, "of another"))
	other.Endpoint = "b"
	require.NoError(t, giveUp(letters, other))
	remove := func(filter DeadLetterFilter, dryRun bool) DeleteResult {
		result, err := Delete(context.Background(), letters, filter, dryRun)
		require.NoError(t, err)
		require.False(t, result.Until.IsZero())
		result.Until = time.Time{}
		return result
	}
	ofA := DeadLetterFilter{Endpoint: "a"}
	require.Equal(t, DeleteResult{Chosen: pageOfLetters + 20}, remove(ofA, true))
	require.Len(t, letters.Latest(), pageOfLetters+21)
	require.Equal(t, DeleteResult{Chosen: pageOfLetters + 20, Deleted: pageOfLetters + 20}, remove(ofA, false))
	require.Equal(t, []string{"of another"}, eventsListed(t, letters))
	require.Zero(t, remove(ofA, false))

	later := letterOf(newEvent(t, "later"))
	later.Time = time.Now().Add(time.Hour)
	require.NoError(t, giveUp(letters, later))
	require.Equal(t, DeleteResult{Chosen: 1, Deleted: 1}, remove(DeadLetterFilter{}, false), "given up before it began")
	require.True(t, slices.Equal([]string{"later"}, eventsListed(t, letters)))
}
