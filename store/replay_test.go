package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// taker is an endpoint that takes replayed events, and gives them their fate when the test says so.
type taker struct {
	events []*messages.Envelope
	ended  []func(delivery.Fate)
}

func (e *taker) offer(_ string, event *messages.Envelope, ended func(delivery.Fate)) error {
	e.events = append(e.events, event)
	e.ended = append(e.ended, ended)
	return nil
}

func replayAll(t *testing.T, letters *DeadLetters, offer Offer) ReplayResult {
	t.Helper()
	result, err := letters.Replay(context.Background(), DeadLetterFilter{}, offer)
	require.NoError(t, err)
	return result
}

func openIDs(t *testing.T, letters *DeadLetters) []string {
	t.Helper()
	page, err := letters.List(context.Background(), DeadLetterQuery{Limit: 1 << 20})
	require.NoError(t, err)
	return eventIDsOf(page)
}

func TestCrashDuringAReplayLeavesItsLettersOpen(t *testing.T) {
	dir := t.TempDir()
	letters := openLetters(t, dir)
	keepMany(t, letters, 0, 3)
	var endpoint taker
	require.Equal(t, 3, replayAll(t, letters, endpoint.offer).Accepted)
	endpoint.ended[1](delivery.Delivered)
	letters.RecordReplayEnds()
	require.Equal(t, []string{"0", "2"}, openIDsAfterCrash(t, letters, dir))
}

// openIDsAfterCrash is what the next process would find, if this one ended now.
func openIDsAfterCrash(t *testing.T, letters *DeadLetters, dir string) []string {
	t.Helper()
	require.NoError(t, letters.file.lock.Unlock())
	next := openLetters(t, dir)
	ids := openIDs(t, next)
	require.NoError(t, next.Close())
	require.NoError(t, letters.file.lockFolder())
	return ids
}

func TestLetterIsClosedOnlyWhenAnotherKeepsItsEvent(t *testing.T) {
	letters := openLetters(t, t.TempDir())
	keepMany(t, letters, 0, 1)
	var endpoint taker
	replayAll(t, letters, endpoint.offer)
	endpoint.ended[0](delivery.DeadRejected)
	letters.RecordReplayEnds()
	require.Equal(t, []string{"0"}, openIDs(t, letters), "the new letter is still on its way")
	require.Equal(t, 1, replayAll(t, letters, endpoint.offer).Replaying)
	require.True(t, letters.Keep(letterOf(endpoint.events[0]), false))
	page := listAll(t, letters)
	require.Len(t, page.Letters, 2)
	require.Equal(t, FateDeadLettered, page.Letters[0].Replayed.Fate)
	require.Nil(t, page.Letters[1].Replayed)
}

func TestLetterStaysOpenWhenNothingKeepsItsEventAnew(t *testing.T) {
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes})
	keepMany(t, letters, 0, 1)
	var endpoint taker
	replayAll(t, letters, endpoint.offer)
	endpoint.ended[0](delivery.DeadRejected)
	letters.file.maxBytes = 10 // no letter fits
	require.False(t, letters.Keep(letterOf(endpoint.events[0]), false))
	require.Equal(t, []string{"0"}, openIDs(t, letters))
	require.Equal(t, 1, replayAll(t, letters, endpoint.offer).Accepted)
}

func TestReplayEndThatCanNotBeWrittenIsRecordedLater(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	keepMany(t, letters, 0, 2)
	var endpoint taker
	replayAll(t, letters, endpoint.offer)
	letters.file.maxBytes = 10 // no end of a replay fits
	for _, ended := range endpoint.ended {
		ended(delivery.Delivered)
		letters.RecordReplayEnds()
	}
	require.Contains(t, log.String(), "record the end of a replay")
	require.Empty(t, openIDs(t, letters), "it is not forgotten")
	require.Zero(t, replayAll(t, letters, endpoint.offer).Accepted)
	require.Equal(t, []string{"0", "1"}, openIDsAfterCrash(t, letters, dir), "but not written")

	letters.file.maxBytes = smallBytes
	keepMany(t, letters, 2, 3)
	require.Equal(t, []string{"2"}, openIDsAfterCrash(t, letters, dir))
	require.NoError(t, letters.Close())
}

func TestCloseRecordsWhichReplaysHaveEnded(t *testing.T) {
	dir := t.TempDir()
	letters := openLetters(t, dir)
	keepMany(t, letters, 0, 1)
	var endpoint taker
	replayAll(t, letters, endpoint.offer)
	endpoint.ended[0](delivery.Delivered) // no actor hears of it
	require.NoError(t, letters.Close())
	require.Empty(t, openIDs(t, openLetters(t, dir)))
}

func TestReplayEndsOutliveTheRotationOfTheirLetters(t *testing.T) {
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes})
	keepMany(t, letters, 0, 50)
	var endpoint taker
	require.Equal(t, 50, replayAll(t, letters, endpoint.offer).Accepted)
	for i, ended := range endpoint.ended {
		ended(delivery.Delivered)
		letters.RecordReplayEnds()
		keepMany(t, letters, 50+i, 51+i)
	}
	require.Len(t, openIDs(t, letters), 50)
	require.Greater(t, len(letters.file.older), 2)
	require.Equal(t, 50, replayAll(t, letters, endpoint.offer).Accepted)
}

func TestOfferThatFailsLeavesTheLetterOpen(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		err    error
		result ReplayResult
	}{
		"full":      {messages.ErrQueueFull, ReplayResult{Left: 3}},
		"too large": {fmt.Errorf("take it: %w", messages.ErrTooLarge), ReplayResult{TooLarge: 3}},
		"gone":      {ErrUnknownEndpoint, ReplayResult{UnknownEndpoint: 3}},
		"closed":    {messages.ErrClosed, ReplayResult{}},
		"broken":    {broken, ReplayResult{}},
	} {
		t.Run(name, func(t *testing.T) {
			letters := openLetters(t, t.TempDir())
			keepMany(t, letters, 0, 3)
			offers := 0
			result, err := letters.Replay(context.Background(), DeadLetterFilter{}, func(string, *messages.Envelope, func(delivery.Fate)) error {
				offers++
				return c.err
			})
			if c.result == (ReplayResult{}) {
				require.ErrorIs(t, err, c.err)
				require.Equal(t, 1, offers)
			} else {
				require.NoError(t, err)
				result.Until = c.result.Until
				require.Equal(t, c.result, result)
			}
			if errors.Is(c.err, messages.ErrQueueFull) {
				require.Equal(t, 1, offers, "the rest would not fit either")
			}
			var endpoint taker
			require.Equal(t, 3, replayAll(t, letters, endpoint.offer).Accepted)
		})
	}
}

func TestEventThatCanNotBeReadIsNotReplayed(t *testing.T) {
	dir := t.TempDir()
	line := fmt.Sprintf(`{"id":%q,"endpoint":"a","event":{"event_type":"no.such"},"attempts":1,"reason":"rejected","time":"2026-02-05T12:00:00Z"}`+"\n", uuid.New())
	require.NoError(t, os.WriteFile(filepath.Join(dir, DeadLettersFile), []byte(strings.Repeat("broken\n", 2)+`{"id":"no uuid`+"\n"+line), 0o600))
	result := replayAll(t, openLetters(t, dir), (&taker{}).offer)
	require.Equal(t, 1, result.Unreadable)
	require.Equal(t, 3, result.Skipped)
	require.Zero(t, result.Accepted)
}

func TestReplayOfALineWithoutIDIsRecordedToo(t *testing.T) {
	dir := t.TempDir()
	legacy := `{"endpoint":"a","event":` + string(newEvent(t, "e").Body()) + `,"attempts":1,"reason":"rejected","time":"2026-02-05T12:00:00.000000000Z"}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, DeadLettersFile), []byte(legacy+"\n"), 0o600))
	letters := openLetters(t, dir)
	var endpoint taker
	require.Equal(t, 1, replayAll(t, letters, endpoint.offer).Accepted)
	require.Equal(t, newEvent(t, "e").Body(), endpoint.events[0].Body())
	endpoint.ended[0](delivery.Delivered)
	require.NoError(t, letters.Close())
	require.Empty(t, openIDs(t, openLetters(t, dir)))
}

// recordReplayEnds does so in a goroutine of its own, as the dead-letter actor does, until it is stopped.
func recordReplayEnds(letters *DeadLetters) (stop func()) {
	ended := make(chan struct{}, 1)
	letters.OnReplayEnd(func() {
		select {
		case ended <- struct{}{}:
		default:
		}
	})
	var recording sync.WaitGroup
	recording.Go(func() {
		for range ended {
			letters.RecordReplayEnds()
		}
	})
	return func() {
		letters.OnReplayEnd(func() {})
		close(ended)
		recording.Wait()
	}
}

func TestReplaysAtOnceOfferEachLetterOnce(t *testing.T) {
	const events = 500
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: 1 << 20})
	stopRecording := recordReplayEnds(letters)
	keepMany(t, letters, 0, events)

	var mu sync.Mutex
	offers := map[string]int{}
	delivering := sync.WaitGroup{}
	offer := func(_ string, event *messages.Envelope, ended func(delivery.Fate)) error {
		mu.Lock()
		defer mu.Unlock()
		offers[event.ID]++
		delivering.Go(func() { ended(delivery.Delivered) })
		return nil
	}
	var replaying sync.WaitGroup
	for range 4 {
		replaying.Go(func() {
			for open := events; open > 0; {
				result, err := letters.Replay(context.Background(), DeadLetterFilter{}, offer)
				if err != nil {
					t.Error(err)
					return
				}
				open = result.Accepted + result.Replaying
			}
		})
	}
	replaying.Wait()
	delivering.Wait()
	stopRecording()
	require.Len(t, offers, events)
	for id, times := range offers {
		require.Equal(t, 1, times, id)
	}
}

func TestReplayThatHasEndedIsForgotten(t *testing.T) {
	letters := openLetters(t, "")
	keepMany(t, letters, 0, 3)
	var endpoint taker
	replayAll(t, letters, endpoint.offer)
	for _, fate := range []delivery.Fate{delivery.Delivered, delivery.DroppedEvicted} {
		endpoint.ended[0](fate) // the second time it is nobody's
	}
	endpoint.ended[1](delivery.DroppedEvicted)
	endpoint.ended[2](delivery.DeadRejected)
	letters.Keep(letterOf(endpoint.events[2]), false)
	require.Empty(t, letters.replays.events)
	require.Empty(t, letters.replays.ids)
	require.Zero(t, letters.replays.ended.Len())
}
