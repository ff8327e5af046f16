package delivery

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

// eventBytes is the size of the events that newEvent makes.
const eventBytes = 1000

func newEvent(t testing.TB, id string) *messages.Envelope {
	t.Helper()
	return events.Sized(t, messages.ClassMessage, id, eventBytes)
}

func newEvents(t testing.TB, ids ...string) []*messages.Envelope {
	t.Helper()
	var events []*messages.Envelope
	for _, id := range ids {
		events = append(events, newEvent(t, id))
	}
	return events
}

// takeAll hands out and settles what waits, and lists the ids.
func takeAll(b *Backlog) []string {
	var ids []string
	for event, _ := b.TakeEvent(); event != nil; event, _ = b.TakeEvent() {
		ids = append(ids, event.ID)
		b.SettleEvent(event, Routed)
	}
	return ids
}

// sumOfFates is how many events have a fate.
func sumOfFates(l Ledger) uint64 {
	return l.Of(Delivered) + l.Total(KindRouted) + l.Total(KindUnwanted) + l.Total(KindDropped) + l.Total(KindDeadLettered)
}

func requireBalanced(t testing.TB, l Ledger) {
	t.Helper()
	require.Equal(t, l.Accepted, sumOfFates(l)+uint64(l.Held()), "accepted = all fates + held")
}

func TestFullBacklogGivesWayByItsPolicy(t *testing.T) {
	batch := func(ids ...string) []string { return ids }
	for name, test := range map[string]struct {
		bounds  Bounds
		offers  [][]string
		err     error // of the last offer
		left    []string
		dropped map[string]uint64
	}{
		"oldest drops as many as the batch takes": {
			Bounds{4, 1 << 20, config.DropOldest}, [][]string{batch("a", "b", "c"), batch("d", "e", "f")}, nil,
			batch("c", "d", "e", "f"), map[string]uint64{"evicted": 2},
		},
		"oldest drops all for a batch as large as the bound": {
			Bounds{3, 1 << 20, config.DropOldest}, [][]string{batch("a", "b"), batch("c", "d", "e")}, nil,
			batch("c", "d", "e"), map[string]uint64{"evicted": 2},
		},
		"oldest drops nothing for a batch larger than the bound": {
			Bounds{3, 1 << 20, config.DropOldest}, [][]string{batch("a", "b"), batch("c", "d", "e", "f")}, messages.ErrTooLarge,
			batch("a", "b"), map[string]uint64{"too_large": 4},
		},
		"oldest drops for bytes": {
			Bounds{100, 3 * eventBytes, config.DropOldest}, [][]string{batch("a", "b", "c"), batch("d")}, nil,
			batch("b", "c", "d"), map[string]uint64{"evicted": 1},
		},
		"newest refuses a batch whole": {
			Bounds{4, 1 << 20, config.DropNewest}, [][]string{batch("a", "b", "c"), batch("d", "e")}, messages.ErrQueueFull,
			batch("a", "b", "c"), map[string]uint64{"refused": 2},
		},
		"newest takes what fits exactly": {
			Bounds{4, 4 * eventBytes, config.DropNewest}, [][]string{batch("a", "b"), batch("c", "d")}, nil,
			batch("a", "b", "c", "d"), map[string]uint64{},
		},
		"newest refuses for bytes": {
			Bounds{100, 4*eventBytes - 1, config.DropNewest}, [][]string{batch("a", "b"), batch("c", "d")}, messages.ErrQueueFull,
			batch("a", "b"), map[string]uint64{"refused": 2},
		},
		"newest says that no waiting helps": {
			Bounds{100, 2*eventBytes - 1, config.DropNewest}, [][]string{batch("a"), batch("b", "c")}, messages.ErrTooLarge,
			batch("a"), map[string]uint64{"too_large": 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBacklog(test.bounds)
			var err error
			for _, ids := range test.offers {
				require.NoError(t, err)
				_, err = b.Offer(time.Time{}, newEvents(t, ids...)...)
				requireBalanced(t, b.Ledger())
			}
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.dropped, b.Ledger().ByReason(KindDropped))
			require.EqualValues(t, len(test.left)*eventBytes, b.Ledger().Bytes)
			require.Equal(t, test.left, takeAll(b))
			require.True(t, b.Empty())
			require.Zero(t, b.Ledger().Bytes)
		})
	}
}

func TestClassThatTakesJustItsShareGivesNothing(t *testing.T) {
	for name, bounds := range map[string]Bounds{
		"of the events": {3, 1 << 20, config.DropOldest},
		"of the bytes":  {100, 3 * eventBytes, config.DropOldest},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBacklog(bounds)
			_, err := b.Offer(time.Time{}, newEvents(t, "flying1", "flying2")...)
			require.NoError(t, err)
			for range 2 {
				flying, _ := b.TakeEvent()
				require.NotNil(t, flying)
			}
			_, err = b.Offer(time.Time{}, events.Sized(t, messages.ClassClient, "waiting", eventBytes))
			require.NoError(t, err)
			_, err = b.Offer(time.Time{}, events.Sized(t, messages.ClassAuth, "new", eventBytes))
			require.ErrorIs(t, err, messages.ErrQueueFull)
			require.Equal(t, []string{"waiting"}, takeAll(b))
		})
	}
}

func TestEventInFlightIsNeverDropped(t *testing.T) {
	b := NewBacklog(Bounds{3, 3 * eventBytes, config.DropOldest})
	_, err := b.Offer(time.Time{}, newEvents(t, "flying", "retrying", "waiting")...)
	require.NoError(t, err)
	flying := b.take(time.Time{}, false, false)
	retrying := b.take(time.Time{}, false, false)
	b.retry(retrying, time.Unix(1, 0))

	_, err = b.Offer(time.Time{}, newEvents(t, "new1", "new2")...)
	require.NoError(t, err)
	require.EqualValues(t, 2, b.Ledger().Of(DroppedEvicted), "the one never sent, and then the retry")
	require.False(t, b.settle(retrying, Delivered), "it has its fate")
	_, err = b.Offer(time.Time{}, newEvents(t, "a", "b", "c")...)
	require.ErrorIs(t, err, messages.ErrQueueFull, "there is room for them only in place of the one in flight")
	require.Equal(t, 2, b.Ledger().Waiting, "the refused batch drops nothing")
	require.True(t, b.settle(flying, Delivered))
	requireBalanced(t, b.Ledger())
}

func TestRetriesAreDroppedInTheOrderOfAcceptance(t *testing.T) {
	b := NewBacklog(Bounds{3, 1 << 20, config.DropOldest})
	_, err := b.Offer(time.Time{}, newEvents(t, "a", "b", "c")...)
	require.NoError(t, err)
	var taken []*Delivery
	for range 3 {
		taken = append(taken, b.take(time.Time{}, false, false))
	}
	for i, d := range taken { // due in the reverse order
		b.retry(d, time.Unix(int64(10-i), 0))
	}
	_, err = b.Offer(time.Time{}, newEvents(t, "d", "e")...)
	require.NoError(t, err)
	require.False(t, b.settle(taken[0], Delivered))
	require.False(t, b.settle(taken[1], Delivered))
	require.True(t, b.settle(taken[2], Delivered))
}

func TestDeadLetterTakesRoomUntilItLeaves(t *testing.T) {
	b := NewBacklog(Bounds{1, 1 << 20, config.DropOldest})
	_, err := b.Offer(time.Time{}, newEvent(t, "a"))
	require.NoError(t, err)
	d := b.take(time.Time{}, false, false)
	require.True(t, b.settle(d, DeadRejected))
	require.False(t, b.settle(d, DeadPanic), "each event has one fate")
	require.Zero(t, b.Ledger().Held())
	require.False(t, b.Empty())

	_, err = b.Offer(time.Time{}, newEvent(t, "b"))
	require.ErrorIs(t, err, messages.ErrQueueFull)
	b.Leave(d.single[0].event, true)
	require.EqualValues(t, 1, b.Ledger().Lost)
	require.True(t, b.Empty())
	_, err = b.Offer(time.Time{}, newEvent(t, "c"))
	require.NoError(t, err)
	kept := b.take(time.Time{}, false, false)
	require.True(t, b.settle(kept, DeadRejected))
	b.Leave(kept.single[0].event, false)
	require.EqualValues(t, 1, b.Ledger().Lost, "one that was kept is not lost")
	require.True(t, b.Empty())
	requireBalanced(t, b.Ledger())
}

func TestSealedBacklogRefusesButHandsOut(t *testing.T) {
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		b := NewBacklog(Bounds{2, 1 << 20, policy})
		_, err := b.Offer(time.Time{}, newEvents(t, "a", "b")...)
		require.NoError(t, err)
		b.Seal()
		_, err = b.Offer(time.Time{}, newEvents(t, "c", "d", "e")...)
		require.ErrorIs(t, err, messages.ErrClosed, "also where it would be too large")
		require.EqualValues(t, 3, b.Ledger().Of(DroppedClosed))
		require.Equal(t, []string{"a", "b"}, takeAll(b))
		requireBalanced(t, b.Ledger())
	}
}

func TestUnwantedEventsAreCountedAndTakeNoRoom(t *testing.T) {
	b := NewBacklog(Bounds{1, 1 << 20, config.DropOldest})
	signals, err := b.TurnAway(2)
	require.NoError(t, err)
	require.False(t, signals.Dropped)
	require.EqualValues(t, 2, b.Ledger().Of(Unwanted))
	require.True(t, b.Empty())

	b.Seal()
	signals, err = b.TurnAway(3)
	require.ErrorIs(t, err, messages.ErrClosed)
	require.True(t, signals.Dropped)
	require.EqualValues(t, 2, b.Ledger().Of(Unwanted))
	require.Equal(t, map[string]uint64{"closed": 3}, b.DroppedSince())
	requireBalanced(t, b.Ledger())
}

func TestAvailableComesOnceAfterTheOwnerFoundNothing(t *testing.T) {
	b := NewBacklog(Bounds{10, 1 << 20, config.DropOldest})
	offer := func(id string) bool {
		signals, err := b.Offer(time.Time{}, newEvent(t, id))
		require.NoError(t, err)
		return signals.Available
	}
	require.False(t, offer("a"), "the owner did not ask yet")
	require.Equal(t, []string{"a"}, takeAll(b))
	require.True(t, offer("b"))
	require.False(t, offer("c"))
	event, _ := b.TakeEvent()
	require.Equal(t, "b", event.ID)
	require.False(t, offer("d"), "the owner found one")
}

func TestDroppedComesOnceUntilTheOwnerAsks(t *testing.T) {
	b := NewBacklog(Bounds{1, 1 << 20, config.DropNewest})
	offer := func() bool {
		signals, _ := b.Offer(time.Time{}, newEvent(t, "e"))
		return signals.Dropped
	}
	require.False(t, offer(), "taken")
	require.True(t, offer())
	require.False(t, offer())
	require.False(t, b.Refuse(DroppedInvalid).Dropped)
	require.Equal(t, map[string]uint64{"refused": 2, "invalid": 1}, b.DroppedSince())
	require.Empty(t, b.DroppedSince())
	require.True(t, offer())
	require.Equal(t, map[string]uint64{"refused": 1}, b.DroppedSince())
}

func TestProducersInParallelLoseNoCount(t *testing.T) {
	const producers, batches, batch, queueSize = 8, 2000, 3, 50
	for policy, fate := range map[config.DropPolicy]Fate{config.DropOldest: DroppedEvicted, config.DropNewest: DroppedRefused} {
		t.Run(string(policy), func(t *testing.T) {
			b := NewBacklog(Bounds{queueSize, queueSize * eventBytes, policy})
			event := newEvent(t, "e")
			var producing sync.WaitGroup
			for range producers {
				producing.Go(func() {
					for range batches {
						_, _ = b.Offer(time.Time{}, event, event, event)
					}
				})
			}
			produced := make(chan struct{})
			go func() {
				producing.Wait()
				close(produced)
			}()

			taken := consumeUntil(t, b, produced)
			ledger := b.Ledger()
			require.EqualValues(t, producers*batches*batch, ledger.Accepted)
			require.EqualValues(t, taken, ledger.Of(Routed))
			require.Equal(t, ledger.Accepted, taken+ledger.Of(fate))
			require.True(t, b.Empty())
			require.Zero(t, ledger.Bytes)
		})
	}
}

// consumeUntil takes and settles until the end is told and nothing is left. All the while it watches account and bounds.
func consumeUntil(t *testing.T, b *Backlog, end <-chan struct{}) (taken uint64) {
	for {
		var ended bool
		select {
		case <-end:
			ended = true
		default:
		}
		event, _ := b.TakeEvent()
		if event == nil {
			if ended {
				return taken
			}
			continue
		}
		ledger := b.Ledger()
		requireBalanced(t, ledger)
		require.LessOrEqual(t, ledger.Held(), b.bounds.Events)
		require.LessOrEqual(t, ledger.Bytes, b.bounds.Bytes)
		b.SettleEvent(event, Routed)
		taken++
	}
}

func BenchmarkOfferAndTake(b *testing.B) {
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		b.Run(string(policy), func(b *testing.B) {
			backlog := NewBacklog(Bounds{10_000, 64 << 20, policy})
			event := newEvent(b, "e")
			b.ReportAllocs()
			for b.Loop() {
				_, _ = backlog.Offer(time.Time{}, event)
				event, _ := backlog.TakeEvent()
				backlog.SettleEvent(event, Routed)
			}
		})
	}
}
