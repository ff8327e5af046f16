package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func testLetter(t *testing.T, f *fixture) {
	event := f.message()
	h := f.hold("a", event)
	f.commit(store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}})
	letter := f.letter(h, event)
	f.commit(store.Group{Letters: []store.LetterRecord{letter}})
	given := f.givingUp("b", 1) // held and given up in one group
	for range 2 {
		require.Empty(t, f.held("a"))
		require.Empty(t, f.held("b"))
		for _, want := range []*store.DeadLetter{letter.Letter, given[0].Letter} {
			found, err := f.Letter(t.Context(), want.ID)
			require.NoError(t, err)
			require.Equal(t, want.Record(true), found)
		}
		require.Equal(t, []*store.DeadLetterRecord{letter.Letter.Record(false), given[0].Letter.Record(false)}, f.list(store.DeadLetterQuery{}))
		f.restart()
	}
	_, err := f.Letter(t.Context(), uuid.New())
	require.ErrorIs(t, err, store.ErrNoDeadLetter)
}

func testReplay(t *testing.T, f *fixture) {
	letter := f.givingUp("a", 1)[0].Letter
	h := f.hold("a", store.EventRecord{Event: letter.Event})
	h.Size = 0
	f.commit(store.Group{Replays: []store.ReplayRecord{{Letter: letter.ID, Hold: h}}})
	for range 2 {
		require.Empty(t, f.list(store.DeadLetterQuery{}))
		held := f.held("a")
		require.Len(t, held, 1)
		require.Equal(t, h.Place, held[0].Place)
		require.Equal(t, letter.Event.Stored(), held[0].Event.Stored())
		stubs, err := f.Stubs("a", h.Class, 0, 1)
		require.NoError(t, err)
		require.Equal(t, letter.Event.Size(), stubs[0].Size)
		require.Zero(t, f.Usage().LetterBytes)
		f.restart()
	}
	again := f.letter(h, store.EventRecord{Event: letter.Event})
	f.commit(store.Group{Letters: []store.LetterRecord{again}})
	found, err := f.Letter(t.Context(), again.Letter.ID)
	require.NoError(t, err)
	require.Equal(t, again.Letter.Record(true), found)
}

func testReplayPlace(t *testing.T, f *fixture) {
	letter := f.givingUp("a", 1)[0].Letter
	f.holding("a", 3)
	h := f.hold("a", store.EventRecord{Event: letter.Event})
	f.commit(store.Group{Replays: []store.ReplayRecord{{Letter: letter.ID, Hold: h}}})
	require.Equal(t, []uint64{2, 3, 4, 5}, numbers(f.held("a")))
}

func testSharedLetter(t *testing.T, f *fixture) {
	event := f.message()
	a, b := f.shared("a", event), f.shared("b", event)
	f.commit(store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{a, b}})
	letter := f.letter(a, event)
	f.commit(store.Group{Letters: []store.LetterRecord{letter}})
	require.Len(t, f.held("b"), 1)
	f.commit(store.Group{Ends: []store.EndRecord{endOf(b)}})
	_, err := f.Letter(t.Context(), letter.Letter.ID)
	require.NoError(t, err, "the letter has its event still")

	again := f.hold("a", event)
	f.commit(store.Group{Replays: []store.ReplayRecord{{Letter: letter.Letter.ID, Hold: again}}})
	require.Len(t, f.held("a"), 1)
	f.commit(store.Group{Ends: []store.EndRecord{endOf(again)}})
	require.Empty(t, f.held("a"))
}

func testDelete(t *testing.T, f *fixture) {
	given := f.givingUp("a", 3)
	f.commit(store.Group{Deleted: []uuid.UUID{given[1].Letter.ID, uuid.New()}})
	for range 2 {
		require.Equal(t, []uuid.UUID{given[0].Letter.ID, given[2].Letter.ID}, ids(f.list(store.DeadLetterQuery{})))
		_, err := f.Letter(t.Context(), given[1].Letter.ID)
		require.ErrorIs(t, err, store.ErrNoDeadLetter)
		f.restart()
	}
}

func testTrimBytes(t *testing.T, f *fixture) {
	given := f.givingUp("a", 10)
	var size int64 // of the three latest
	for _, letter := range given[7:] {
		size += int64(letter.Letter.Event.Size())
	}
	require.Zero(t, f.commit(store.Group{Trim: store.LetterBounds{MaxBytes: 10 * size}}))
	require.Equal(t, store.Trimmed{MaxBytes: 7}, f.commit(store.Group{Trim: store.LetterBounds{MaxBytes: size}}))
	require.Equal(t, []uuid.UUID{given[7].Letter.ID, given[8].Letter.ID, given[9].Letter.ID}, ids(f.list(store.DeadLetterQuery{})))
	require.Equal(t, size, f.Usage().LetterBytes)

	event := f.message()
	h := f.hold("a", event)
	trimmed := f.commit(store.Group{
		Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}, Letters: []store.LetterRecord{f.letter(h, event)},
		Trim: store.LetterBounds{MaxBytes: 1},
	})
	require.Equal(t, store.Trimmed{MaxBytes: 4}, trimmed, "that of the group, too")
	require.Empty(t, f.list(store.DeadLetterQuery{}))
	require.Zero(t, f.Usage().LetterBytes)
}

func testTrimAge(t *testing.T, f *fixture) {
	given := f.givingUp("a", 10)
	trimmed := f.commit(store.Group{Trim: store.LetterBounds{OlderThan: given[4].Letter.Time}})
	require.Equal(t, store.Trimmed{MaxAge: 4}, trimmed)
	require.Len(t, f.list(store.DeadLetterQuery{}), 6)
}

func testFilters(t *testing.T, f *fixture) {
	var given []*store.DeadLetter
	for i := range 60 {
		event := f.message()
		if i%4 == 1 {
			event = f.newEvent(&messages.AuthFailure{ClientID: "c", Reason: "bad"})
		}
		h := f.hold([]string{"a", "b", "c"}[i%3], event)
		letter := f.letter(h, event)
		given = append(given, letter.Letter)
		f.commit(store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}, Letters: []store.LetterRecord{letter}})
	}
	filters := []store.DeadLetterFilter{{}, {IDs: []uuid.UUID{given[40].ID, given[3].ID, uuid.New(), given[3].ID}}}
	for _, endpoint := range []string{"", "a", "b", "nobody"} {
		for _, eventType := range []string{"", "auth.failure", "message.published", "client.connected", "no.such"} {
			for _, text := range []string{"", "answered 401", "rejected", "nothing"} {
				for _, since := range []time.Time{{}, given[20].Time, given[20].Time.Add(time.Nanosecond)} {
					for _, until := range []time.Time{{}, given[40].Time} {
						filters = append(filters, store.DeadLetterFilter{Endpoint: endpoint, Type: eventType, Error: text, Since: since, Until: until})
					}
				}
			}
		}
	}
	for _, filter := range filters {
		var want []uuid.UUID
		for _, letter := range given {
			if filter.Match(letter.Record(false)) {
				want = append(want, letter.ID)
			}
		}
		var found []uuid.UUID
		query := store.DeadLetterQuery{DeadLetterFilter: filter, Limit: 7}
		for {
			page, err := f.Letters(t.Context(), query)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Letters), 7)
			found = append(found, ids(page.Letters)...)
			if page.Next == "" {
				break
			}
			require.Equal(t, page.Letters[6].ID.String(), page.Next)
			query.After = page.Letters[6].ID
		}
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(found), "%+v", filter)
	}
}

func testAfter(t *testing.T, f *fixture) {
	given := f.givingUp("a", 3)
	require.Equal(t, []uuid.UUID{given[2].Letter.ID}, ids(f.list(store.DeadLetterQuery{After: given[1].Letter.ID})))
	f.commit(store.Group{Deleted: []uuid.UUID{given[1].Letter.ID}})
	require.Equal(t, []uuid.UUID{given[2].Letter.ID}, ids(f.list(store.DeadLetterQuery{After: given[1].Letter.ID})))
}

func testContext(t *testing.T, f *fixture) {
	given := f.givingUp("a", 3)
	ended := errors.New("ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ended)
	_, err := f.Letters(ctx, store.DeadLetterQuery{Limit: 1})
	require.ErrorIs(t, err, ended)
	_, err = f.Letter(ctx, given[0].Letter.ID)
	require.ErrorIs(t, err, ended)
}
