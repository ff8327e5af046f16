package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

func letterOf(event *messages.Envelope) *DeadLetter {
	return &DeadLetter{
		Endpoint: "a", Event: event, Attempts: 3, LastStatus: 500, LastError: "status 500", Reason: "max_attempts", Time: time.Unix(0, 0),
	}
}

// giveUp has a letter kept, and tells whether it is.
func giveUp(letters Letters, letter *DeadLetter) (err error) {
	letters.GiveUp(delivery.Place{}, letter, func(kept error) { err = kept })
	return err
}

// memoryOf holds letters of so many events, which are named by their numbers from 0 on.
func memoryOf(t *testing.T, events int) *MemoryLetters {
	t.Helper()
	letters := NewMemoryLetters()
	for i := range events {
		require.NoError(t, giveUp(letters, letterOf(newEvent(t, strconv.Itoa(i)))))
	}
	return letters
}

func eventsIn(letters []*DeadLetter) []string {
	ids := []string{}
	for _, letter := range letters {
		ids = append(ids, letter.Event.ID)
	}
	return ids
}

func eventsListed(t *testing.T, letters Letters) []string {
	t.Helper()
	page, err := letters.List(context.Background(), DeadLetterQuery{Limit: 1 << 20})
	require.NoError(t, err)
	ids := []string{}
	for _, letter := range page.Letters {
		require.Nil(t, letter.Event)
		ids = append(ids, letter.EventID)
	}
	return ids
}

func TestMemoryKeepsTheLatestThousandLetters(t *testing.T) {
	latest := memoryOf(t, MaxDeadLetters+7).Latest()
	require.Len(t, latest, MaxDeadLetters)
	require.Equal(t, "7", latest[0].Event.ID)
	require.Equal(t, fmt.Sprint(MaxDeadLetters+6), latest[MaxDeadLetters-1].Event.ID)
}

func TestMemoryKeepsSixteenMebibytesOfLetters(t *testing.T) {
	const size = MaxDeadLettersBytes / 4
	letters := NewMemoryLetters()
	for i := range 6 {
		require.NoError(t, giveUp(letters, letterOf(newEventOf(t, fmt.Sprint(i), size))))
	}
	require.Equal(t, []string{"2", "3", "4", "5"}, eventsIn(letters.Latest()))
	require.NoError(t, giveUp(letters, letterOf(newEventOf(t, "one byte more", size+1))))
	require.Equal(t, []string{"4", "5", "one byte more"}, eventsIn(letters.Latest()))
	deleted, err := letters.Delete(context.Background(), []uuid.UUID{letters.Latest()[1].ID})
	require.NoError(t, err)
	require.Equal(t, 1, deleted)
	require.NoError(t, giveUp(letters, letterOf(newEventOf(t, "again", size-1))))
	require.Equal(t, []string{"4", "one byte more", "again"}, eventsIn(letters.Latest()), "deleting gives room")
	require.NoError(t, giveUp(letters, letterOf(newEventOf(t, "too large", MaxDeadLettersBytes+1))))
	require.Empty(t, letters.Latest())
	require.NoError(t, giveUp(letters, letterOf(newEvent(t, "after"))))
	require.Equal(t, []string{"after"}, eventsIn(letters.Latest()))
}

func TestLetterIsNotKeptByMemoryOnceTheProgramStops(t *testing.T) {
	letters := memoryOf(t, 1)
	letters.Stop()
	require.ErrorIs(t, giveUp(letters, letterOf(newEvent(t, "late"))), ErrNotKept)
	require.Equal(t, []string{"0", "late"}, eventsIn(letters.Latest()), "who asks before the end may see it")
}

func TestPagesOfMemoryFollowEachOtherThoughLettersGo(t *testing.T) {
	letters := memoryOf(t, 7)
	ctx := context.Background()
	page, err := letters.List(ctx, DeadLetterQuery{Limit: 3})
	require.NoError(t, err)
	require.Len(t, page.Letters, 3)
	require.Equal(t, page.Letters[2].ID.String(), page.Next)
	_, err = letters.Delete(ctx, []uuid.UUID{page.Letters[0].ID, page.Letters[2].ID})
	require.NoError(t, err)

	page, err = letters.List(ctx, DeadLetterQuery{Limit: 4, After: uuid.MustParse(page.Next)})
	require.NoError(t, err)
	require.Equal(t, "3", page.Letters[0].EventID)
	require.Len(t, page.Letters, 4)
	require.Empty(t, page.Next)
	page, err = letters.List(ctx, DeadLetterQuery{Limit: 4, After: page.Letters[3].ID})
	require.NoError(t, err)
	require.Empty(t, page.Letters)
}

func TestNobodyFindsALetterThatIsClaimed(t *testing.T) {
	ctx := context.Background()
	for _, accepted := range []bool{true, false} {
		letters := memoryOf(t, 3)
		id := letters.Latest()[1].ID
		claim, err := letters.TakeBack(ctx, id)
		require.NoError(t, err)
		require.Equal(t, "1", claim.Letter.Event.ID)

		require.Equal(t, []string{"0", "2"}, eventsListed(t, letters))
		require.Equal(t, []string{"0", "2"}, eventsIn(letters.Latest()))
		_, err = letters.TakeBack(ctx, id)
		require.ErrorIs(t, err, ErrNoDeadLetter)
		_, err = letters.Find(ctx, id)
		require.ErrorIs(t, err, ErrNoDeadLetter)
		deleted, err := letters.Delete(ctx, []uuid.UUID{id})
		require.NoError(t, err)
		require.Zero(t, deleted)

		claim.End(accepted)
		if accepted {
			require.Equal(t, []string{"0", "2"}, eventsListed(t, letters))
			continue
		}
		require.Equal(t, []string{"0", "1", "2"}, eventsListed(t, letters), "it is where it was")
		letter, err := letters.Find(ctx, id)
		require.NoError(t, err)
		require.JSONEq(t, string(claim.Letter.Event.Body()), string(letter.Event))
	}
}

func TestClaimOfALetterThatGaveWayEndsQuietly(t *testing.T) {
	letters := memoryOf(t, 1)
	claim, err := letters.TakeBack(context.Background(), letters.Latest()[0].ID)
	require.NoError(t, err)
	require.NoError(t, giveUp(letters, letterOf(newEventOf(t, "large", MaxDeadLettersBytes))))
	claim.End(false)
	require.Equal(t, []string{"large"}, eventsListed(t, letters))
}

func TestWhoHasLeftGetsNoLetter(t *testing.T) {
	letters := memoryOf(t, 1)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(gone)
	id := letters.Latest()[0].ID
	_, err := letters.List(ctx, DeadLetterQuery{Limit: 1})
	require.ErrorIs(t, err, gone)
	_, err = letters.Find(ctx, id)
	require.ErrorIs(t, err, gone)
	_, err = letters.TakeBack(ctx, id)
	require.ErrorIs(t, err, gone)
	_, err = letters.Delete(ctx, []uuid.UUID{id})
	require.ErrorIs(t, err, gone)
	require.Len(t, letters.Latest(), 1)
}
