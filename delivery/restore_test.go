package delivery

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

var (
	failed      = messages.Outcome{Kind: messages.OutcomeFailed, Status: 500, Sent: true}
	unreachable = messages.Outcome{Kind: messages.OutcomeAway}
	cancelled   = messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: context.Canceled}
)

func TestJournalHearsOfAttemptsThatAreCharged(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, ordered)
	place := Place{Number: 1}
	offer(t, e, "a")
	now := breakerBegan
	attempt := func(outcome messages.Outcome) {
		d := e.Next(now)
		e.Settle(now, d, outcome)
		now = d.due
	}
	attempt(unreachable)
	require.Zero(t, journal.find(place).Tries, "nothing to be known")
	attempt(failed)
	require.Equal(t, Tries{Attempts: 2, Charged: 1, Failures: 2}, journal.find(place).Tries)
	attempt(unreachable)
	require.Equal(t, 1, journal.find(place).Tries.Charged)
	require.False(t, e.Marks())
}

func TestTriesGoOnAndTheWaitDoesNot(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, ordered)
	offer(t, e, "a", "b")
	e.Settle(breakerBegan, e.Next(breakerBegan), failed)
	require.Nil(t, e.Next(breakerBegan))

	e = restart(journal, 1<<20, func(settings *config.Endpoint) { settings.Workers, settings.Retry.MaxAttempts = 1, 2 })
	fill(e, journal)
	d := e.Next(breakerBegan)
	require.Equal(t, "a", d.ID())
	require.Equal(t, 2, d.attempts)
	v := e.Settle(breakerBegan, d, failed)
	require.Equal(t, DeadMaxAttempts, v.Fate)
	require.Equal(t, 2, v.Attempts)
	require.Equal(t, []Place{{Number: 1}}, v.Held())
	require.Equal(t, "b", e.Next(breakerBegan).ID())
}

func TestRestoredEventsAreBatchedWithThoseTriedAlike(t *testing.T) {
	journal := newMemoryJournal(t)
	for charged, id := range []string{"a", "b", "c", "d", "e"} {
		charged /= 2
		journal.keep(breakerBegan, newEvent(t, id), Tries{Attempts: charged, Charged: charged})
	}
	e := restart(journal, 1<<20, func(settings *config.Endpoint) {
		settings.Workers, settings.Batch = 5, config.Batch{MaxEvents: 10, MaxBytes: 1 << 20}
	})
	fill(e, journal)
	for charged, ids := range []string{"a b", "c d", "e"} {
		d := e.Next(breakerBegan)
		require.Equal(t, ids, idsOf(d.Events()))
		require.Equal(t, charged, d.charged)
	}
}

func TestMarkedAttemptIsNotRepeated(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, once)
	require.True(t, e.Marks())
	offer(t, e, "unknown", "refused", "waiting")
	begin := func() *Delivery {
		d := e.Next(breakerBegan)
		e.Mark(d)
		return d
	}
	begin()
	e.Settle(breakerBegan, begin(), unreachable)
	require.False(t, journal.find(Place{Number: 2}).Tries.Begun, "it was surely not processed")

	e = restart(journal, 1<<20, once)
	require.Empty(t, e.GiveUp(breakerBegan))
	fill(e, journal)
	require.Equal(t, 3, e.backlog.Ledger().Waiting)
	verdicts := e.GiveUp(breakerBegan)
	require.Len(t, verdicts, 1)
	require.True(t, verdicts[0].DeadLettered())
	require.Equal(t, DeadUnknownOutcome, verdicts[0].Fate)
	require.Equal(t, []Place{{Number: 1}}, verdicts[0].Held())
	require.Empty(t, e.GiveUp(breakerBegan))
	require.Equal(t, "refused", e.Next(breakerBegan).ID())
	requireBalanced(t, e.backlog.Ledger())
}

func TestDrainWithAJournalKeepsAll(t *testing.T) {
	e, journal := newJournaled(t, windowOf(3), func(settings *config.Endpoint) {
		settings.Workers, settings.MaxAge, settings.CircuitBreaker.FailureThreshold = 2, time.Minute, 1
	})
	offer(t, e, "flying", "retrying", "waiting", "behind", "too")
	flying, retrying := e.Next(breakerBegan), e.Next(breakerBegan)
	e.Settle(breakerBegan, retrying, unreachable)
	cutoff := breakerBegan.Add(time.Hour)
	e.Drain(cutoff)

	late := cutoff.Add(-time.Second)
	require.Empty(t, e.GiveUp(late), "what is too old stays, and so does what waits longer than the drain")
	require.Nil(t, e.Next(late), "no probe, and nothing else")
	_, _, ok := e.ReadAhead(late)
	require.False(t, ok)
	at, wakes := e.Wake(late)
	require.True(t, wakes)
	require.Equal(t, cutoff, at)
	require.False(t, e.Drained(), "one is in flight")

	require.True(t, e.CutoffCame(cutoff))
	require.Equal(t, retry, e.Settle(cutoff, flying, cancelled).sequel)
	require.Empty(t, e.GiveUp(cutoff))
	_, wakes = e.Wake(cutoff)
	require.False(t, wakes)
	require.True(t, e.Drained())
	require.Equal(t, 5, e.backlog.Ledger().Kept)
	require.Len(t, journal.held, 5)
}

func TestDrainWithAJournalWaitsForLetters(t *testing.T) {
	e, _ := newJournaled(t, 0, ordered)
	offer(t, e, "a", "b")
	d := e.Next(breakerBegan)
	e.Drain(breakerBegan.Add(time.Hour))
	v := e.Settle(breakerBegan, d, messages.Outcome{Kind: messages.OutcomeRejected, Status: 400, Sent: true})
	require.True(t, v.DeadLettered())
	require.False(t, e.Drained(), "the letter is on its way")
	e.backlog.Leave(v.Events()[0], false)
	require.True(t, e.Drained())
	_, _, ok := e.ReadAhead(breakerBegan)
	require.False(t, ok, "what is behind may stay there")
}

func TestCancelledAttemptThatWasMarkedStaysMarked(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, once)
	offer(t, e, "a")
	d := e.Next(breakerBegan)
	e.Mark(d)
	e.Drain(breakerBegan)
	require.Equal(t, retry, e.Settle(breakerBegan, d, cancelled).sequel)
	require.True(t, e.Drained())
	require.True(t, journal.find(Place{Number: 1}).Tries.Begun)
}

func TestHaltWithAJournalGivesNothingUp(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, ordered)
	offer(t, e, "a", "b")
	e.Next(breakerBegan)
	require.Empty(t, e.Halt())
	require.Len(t, journal.held, 2)
	require.Equal(t, 2, e.backlog.Ledger().Kept)
	_, err := e.backlog.Offer(breakerBegan, newEvent(t, "late"))
	require.ErrorIs(t, err, messages.ErrClosed)
}

func TestReplayIsJournaledAsOne(t *testing.T) {
	e, journal := newJournaled(t, 0, ordered)
	offer(t, e, "a")
	_, err := e.backlog.OfferReplay(breakerBegan, newEvent(t, "b"))
	require.NoError(t, err)
	require.False(t, journal.held[0].Replayed)
	require.True(t, journal.held[1].Replayed)
	require.Equal(t, 2, e.backlog.Ledger().Waiting)
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	e, journal := newJournaled(t, 1<<20, ordered)
	offer(t, e, "a", "b")
	e = restart(journal, 1<<20, ordered)
	require.EqualValues(t, 2, e.backlog.Ledger().AcceptedStore)
	offer(t, e, "c")
	require.Equal(t, Place{Number: 3}, journal.held[2].Place)
	fill(e, journal)
	for _, id := range []string{"a", "b", "c"} {
		d := e.Next(breakerBegan)
		require.Equal(t, id, d.ID())
		e.Settle(breakerBegan, d, messages.Outcome{Kind: messages.OutcomeDelivered})
	}
}
