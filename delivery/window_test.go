package delivery

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// windowOf is a window for so many events of newEvent.
func windowOf(events int64) int64 { return events * (eventBytes + eventOverhead) }

// newJournaled is an endpoint with a journal that keeps nothing yet.
func newJournaled(t testing.TB, window int64, set func(*config.Endpoint)) (*Endpoint, *memoryJournal) {
	journal := newMemoryJournal(t)
	return restart(journal, window, set), journal
}

// restart is the endpoint in the next process.
func restart(journal *memoryJournal, window int64, set func(*config.Endpoint)) *Endpoint {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	settings := webhook.Resolve()[0]
	set(&settings)
	e := NewEndpoint(settings, func() float64 { return 0 }, newTestID)
	e.Restore(journal, journal.kept(), window)
	return e
}

func ordered(settings *config.Endpoint) { settings.Workers = 1 }
func once(settings *config.Endpoint)    { settings.Retry.MaxAttempts = 1 }

func offer(t testing.TB, e *Endpoint, ids ...string) Signals {
	t.Helper()
	signals, err := e.backlog.Offer(breakerBegan, newEvents(t, ids...)...)
	require.NoError(t, err)
	return signals
}

// fill reads ahead until nothing more is to be read.
func fill(e *Endpoint, journal *memoryJournal) (readings int) {
	for after, most, ok := e.ReadAhead(breakerBegan); ok; after, most, ok = e.ReadAhead(breakerBegan) {
		e.Filled(breakerBegan, journal.read(after, most))
		readings++
	}
	return readings
}

func TestWindowHoldsNoMoreThanItsBytes(t *testing.T) {
	e, journal := newJournaled(t, windowOf(10), ordered)
	for range 100 {
		offer(t, e, "e")
		require.LessOrEqual(t, e.backlog.inMemory().Events, 10)
	}
	require.Equal(t, 100, e.backlog.Ledger().Waiting)
	for sent := range uint64(100) {
		d := e.Next(breakerBegan)
		require.Equal(t, []Place{{Number: sent + 1}}, d.Places())
		require.Equal(t, done, e.Settle(breakerBegan, d, messages.Outcome{Kind: messages.OutcomeDelivered}).sequel)
		fill(e, journal)
		require.LessOrEqual(t, e.backlog.inMemory().Events, 10)
	}
	require.True(t, e.backlog.Empty())
	require.Empty(t, journal.held)
}

func TestReadingBeginsWhenHalfOfTheWindowIsFree(t *testing.T) {
	e, journal := newJournaled(t, windowOf(10), func(settings *config.Endpoint) { settings.Workers = 100 })
	offer(t, e, slices.Repeat([]string{"e"}, 20)...)
	for range 5 {
		_, _, ok := e.ReadAhead(breakerBegan)
		require.False(t, ok)
		e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	}
	_, _, ok := e.ReadAhead(breakerBegan)
	require.False(t, ok, "half is used")
	e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	after, most, ok := e.ReadAhead(breakerBegan)
	require.True(t, ok)
	require.EqualValues(t, 10, after)
	require.Equal(t, Volume{6, 6 * eventBytes}, most, "what fits")
	_, _, again := e.ReadAhead(breakerBegan)
	require.False(t, again, "one reading at a time")
	e.Filled(breakerBegan, journal.read(after, most))
	require.Equal(t, 10, e.backlog.waiting.events)
}

func TestReadingThatFailedIsTriedAgainInASecond(t *testing.T) {
	e, journal := newJournaled(t, 0, ordered)
	offer(t, e, "a", "b")
	e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	require.Nil(t, e.Next(breakerBegan))
	after, most, ok := e.ReadAhead(breakerBegan)
	require.True(t, ok)
	_, wakes := e.Wake(breakerBegan)
	require.False(t, wakes, "the reading will come back")
	e.ReadFailed(breakerBegan)

	_, _, ok = e.ReadAhead(breakerBegan.Add(time.Second - 1))
	require.False(t, ok)
	at, wakes := e.Wake(breakerBegan)
	require.True(t, wakes)
	require.Equal(t, breakerBegan.Add(time.Second), at)
	_, _, ok = e.ReadAhead(at)
	require.True(t, ok)
	e.Filled(at, journal.read(after, most))
	require.Equal(t, "b", e.Next(at).ID())
}

func TestReadingThatReachesNothingIsNotRepeatedAtOnce(t *testing.T) {
	e, _ := newJournaled(t, 0, ordered)
	offer(t, e, "a", "b")
	e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	after, _, _ := e.ReadAhead(breakerBegan)
	e.Filled(breakerBegan, Read{Through: after})
	_, _, ok := e.ReadAhead(breakerBegan)
	require.False(t, ok)
	_, _, ok = e.ReadAhead(breakerBegan.Add(time.Second))
	require.True(t, ok)
}

func TestMissingEventIsDamagedAndASuperfluousOneIsAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		counted  Volume
		damaged  uint64
		accepted uint64
	}{
		"missing":           {Volume{5, 5 * eventBytes}, 2, 5},
		"bytes are missing": {Volume{3, 9 * eventBytes}, 0, 3},
		"superfluous":       {Volume{1, 0}, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			e, journal := newJournaled(t, windowOf(2), func(*config.Endpoint) {})
			for range 3 {
				journal.keep(breakerBegan, newEvent(t, "e"), Tries{})
			}
			e.Restore(journal, Kept{Last: 3, Held: byClass{c.counted}}, windowOf(2))
			require.EqualValues(t, c.counted.Events, e.backlog.Ledger().AcceptedStore)
			for range 3 {
				fill(e, journal)
				e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
			}
			fill(e, journal)
			ledger := e.backlog.Ledger()
			requireBalanced(t, ledger)
			require.Equal(t, c.accepted, ledger.Accepted)
			require.Equal(t, c.damaged, ledger.Of(DroppedDamaged))
			require.True(t, e.backlog.Empty())
			require.Zero(t, ledger.Bytes)
		})
	}
}

func TestDamagedEventIsDroppedAndTold(t *testing.T) {
	e, journal := newJournaled(t, windowOf(1), ordered)
	offer(t, e, "a", "b", "c")
	journal.damaged[2] = true
	e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	fill(e, journal)
	require.Equal(t, map[Place]Fate{{Number: 1}: Delivered, {Number: 2}: DroppedDamaged}, journal.ended)
	require.Equal(t, map[string]uint64{"damaged": 1}, e.backlog.DroppedSince())
	fill(e, journal)
	require.Equal(t, "c", e.Next(breakerBegan).ID())
}

func TestFullQueueLooksUpManyEventsBehindTogether(t *testing.T) {
	e, journal := newJournaled(t, windowOf(1), func(settings *config.Endpoint) {
		settings.Workers, settings.QueueSize = 1, 500
	})
	for i := range 1500 {
		offer(t, e, strconv.Itoa(i))
	}
	require.EqualValues(t, 1000, e.backlog.Ledger().Of(DroppedEvicted))
	require.LessOrEqual(t, journal.asked, 1000/stubsAtOnce+1)
	fill(e, journal)
	require.Equal(t, "1000", e.Next(breakerBegan).ID(), "the oldest gave way")
}

func TestClassThatCannotBeLookedUpHasNothingToGive(t *testing.T) {
	e, journal := newJournaled(t, 0, func(settings *config.Endpoint) { settings.Workers, settings.QueueSize = 2, 3 })
	offer(t, e, "a")
	require.Equal(t, retry, e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeAway}).sequel)
	offer(t, e, "b", "c")
	journal.blind = true
	_, err := e.backlog.Offer(breakerBegan, newEvent(t, "d"))
	require.ErrorIs(t, err, messages.ErrQueueFull, "not even a retry gives way before those that were never sent")
	journal.blind = false
	offer(t, e, "d")
	require.Equal(t, DroppedEvicted, journal.ended[Place{Number: 2}])
}

func TestWhatGaveWayBehindIsNotReadAnyMore(t *testing.T) {
	e, journal := newJournaled(t, windowOf(1), func(settings *config.Endpoint) { settings.Workers, settings.QueueSize = 1, 3 })
	offer(t, e, "a", "b", "c")
	a := e.Next(breakerBegan)
	e.Settle(breakerBegan, a, messages.Outcome{Kind: messages.OutcomeDelivered})
	after, most, ok := e.ReadAhead(breakerBegan)
	require.True(t, ok)
	read := journal.read(after, most)
	offer(t, e, "d", "e")
	require.Equal(t, DroppedEvicted, journal.ended[Place{Number: 2}])

	e.Filled(breakerBegan, read)
	fill(e, journal)
	require.Equal(t, "c", e.Next(breakerBegan).ID())
	requireBalanced(t, e.backlog.Ledger())
}

func TestBatchWaitsForWhatIsBehind(t *testing.T) {
	e, journal := newJournaled(t, 0, func(settings *config.Endpoint) {
		settings.Workers = 1
		settings.Batch = config.Batch{MaxEvents: 4, MaxBytes: 1 << 20}
	})
	offer(t, e, slices.Repeat([]string{"e"}, 15)...)
	require.Equal(t, 8, e.backlog.waiting.events, "two full batches")
	for _, size := range []int{4, 4, 4, 3} {
		d := e.Next(breakerBegan)
		for ; d == nil; d = e.Next(breakerBegan) {
			require.NotZero(t, fill(e, journal))
		}
		require.Len(t, d.Events(), size)
		e.Settle(breakerBegan, d, messages.Outcome{Kind: messages.OutcomeDelivered})
	}
	require.True(t, e.backlog.Empty())
}

func TestBatchDoesNotWaitForAJournalThatCannotBeRead(t *testing.T) {
	e, journal := newJournaled(t, 0, func(settings *config.Endpoint) {
		settings.Batch = config.Batch{MaxEvents: 4, MaxBytes: 1 << 20}
	})
	offer(t, e, slices.Repeat([]string{"e"}, 10)...)
	for range 2 {
		e.Settle(breakerBegan, e.Next(breakerBegan), messages.Outcome{Kind: messages.OutcomeDelivered})
	}
	after, _, _ := e.ReadAhead(breakerBegan)
	e.Filled(breakerBegan, journal.read(after, Volume{1, eventBytes}))
	require.Nil(t, e.Next(breakerBegan), "another one is on its way")
	_, _, ok := e.ReadAhead(breakerBegan)
	require.True(t, ok)
	require.Nil(t, e.Next(breakerBegan))
	e.ReadFailed(breakerBegan)
	require.Len(t, e.Next(breakerBegan).Events(), 1)
}
