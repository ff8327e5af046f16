package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// smallBytes has room for some two hundred letters.
const smallBytes = 64 << 10

func listAll(t *testing.T, letters *DeadLetters) DeadLetterPage {
	t.Helper()
	page, err := letters.List(context.Background(), DeadLetterQuery{Limit: 1 << 20, Replayed: OpenAndReplayed})
	require.NoError(t, err)
	return page
}

func eventIDsOf(page DeadLetterPage) []string {
	var ids []string
	for _, letter := range page.Letters {
		ids = append(ids, letter.EventID)
	}
	return ids
}

func keepMany(t *testing.T, letters *DeadLetters, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		letter := letterOf(newEvent(t, fmt.Sprint(i)))
		letter.Time = time.Now()
		require.True(t, letters.Keep(letter, false), i)
	}
}

// bytesIn is the size of all files but the lock, and their number.
func bytesIn(t *testing.T, dir string) (total int64, files int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
		total += info.Size()
	}
	return total, len(entries) - 1
}

func TestOldestFileGivesWayAndTheRestIsReadInOrder(t *testing.T) {
	dir := t.TempDir()
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes})
	for i := range 1000 {
		keepMany(t, letters, i, i+1)
		total, _ := bytesIn(t, dir)
		require.LessOrEqual(t, total, int64(smallBytes))
	}
	total, files := bytesIn(t, dir)
	require.Greater(t, total, int64(smallBytes)*3/4, "little goes at once")
	require.Greater(t, files, 6)

	page := listAll(t, letters)
	require.Zero(t, page.Skipped, "no line is divided between two files")
	ids := eventIDsOf(page)
	require.Equal(t, "999", ids[len(ids)-1])
	for i, id := range ids {
		require.Equal(t, fmt.Sprint(1000-len(ids)+i), id)
	}
	require.NoError(t, letters.Close())
	require.Equal(t, ids, eventIDsOf(listAll(t, openLettersOf(t, config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes}))), "after a restart")
}

func TestLowerMaxBytesHoldsFromTheStart(t *testing.T) {
	dir := t.TempDir()
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes})
	keepMany(t, letters, 0, 500)
	require.NoError(t, letters.Close())
	letters = openLettersOf(t, config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes / 2})
	total, _ := bytesIn(t, dir)
	require.LessOrEqual(t, total, int64(smallBytes/2))
	ids := eventIDsOf(listAll(t, letters))
	require.Equal(t, "499", ids[len(ids)-1])
}

func TestFilesThatGrewInTheSameMomentKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where time stands still
		letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: 8 << 10})
		keepMany(t, letters, 0, 20)
		require.Greater(t, len(letters.file.older), 4)
		ids := eventIDsOf(listAll(t, letters))
		require.True(t, slices.IsSortedFunc(ids, func(a, b string) int { return len(a)*100 + strings.Compare(a, b) - len(b)*100 }), ids)
		require.NoError(t, letters.Close())
	})
}

func TestFilesOlderThanMaxAgeAreDeletedThoughNothingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cfg := config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30, MaxAge: 2 * day}
		letters := openLettersOf(t, cfg)
		keepMany(t, letters, 0, 1)
		time.Sleep(12 * time.Hour)
		keepMany(t, letters, 1, 2)
		time.Sleep(12 * time.Hour)
		letters.Tend() // begins another file
		time.Sleep(36 * time.Hour)
		letters.Tend()
		require.Equal(t, []string{"0", "1"}, eventIDsOf(listAll(t, letters)), "its file grew for a day")
		time.Sleep(12 * time.Hour)
		letters.Tend()
		require.Empty(t, listAll(t, letters).Letters)
		require.Equal(t, Deletions{MaxAge: 2}, letters.Deleted())
		_, files := bytesIn(t, dir)
		require.Equal(t, 1, files)

		keepMany(t, letters, 2, 3)
		require.NoError(t, letters.Close())
		time.Sleep(day)
		again := openLettersOf(t, cfg)
		require.Equal(t, []string{"2"}, eventIDsOf(listAll(t, again)))
		require.Len(t, again.file.older, 1, "a restart makes no file younger")
		require.NoError(t, again.Close())
		time.Sleep(2 * day)
		again = openLettersOf(t, cfg)
		require.Empty(t, listAll(t, again).Letters)
		require.NoError(t, again.Close())
	})
}

func TestLetterLargerThanAllFilesIsLost(t *testing.T) {
	var log bytes.Buffer
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer letters.Close()
	keepMany(t, letters, 0, 1)
	require.False(t, letters.Keep(letterOf(newEventOf(t, "large", smallBytes)), false))
	require.Contains(t, log.String(), "dead_letters.max_bytes")
	require.True(t, letters.Keep(letterOf(newEventOf(t, "half", smallBytes/2)), false))
	require.True(t, letters.Keep(letterOf(newEventOf(t, "another half", smallBytes/2)), false))
	require.Equal(t, []string{"another half"}, eventIDsOf(listAll(t, letters)))
}

func TestFileThatCanNotBeRotatedGrowsOnUntilMaxBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is known what the next file will be called
		var log bytes.Buffer
		dir := t.TempDir()
		letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		defer letters.Close()
		require.NoError(t, os.Mkdir(filepath.Join(dir, newLetterSegment(1, time.Now(), 0).name), 0o700))
		kept := 0
		for letters.Keep(letterOf(newEvent(t, fmt.Sprint(kept))), false) {
			kept++
		}
		require.Greater(t, letters.file.size, int64(smallBytes)*7/8)
		require.LessOrEqual(t, letters.file.size, int64(smallBytes))
		require.Len(t, listAll(t, letters).Letters, kept)
		require.Equal(t, 1, strings.Count(log.String(), "the file of dead letters can't be rotated, and grows on"))
		require.Contains(t, log.String(), "dead_letters.max_bytes is reached")
	})
}

func TestLettersAreReadWhileFilesRotateAndGo(t *testing.T) {
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes})
	keepMany(t, letters, 0, 200)
	var reading sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				page := listAll(t, letters)
				if page.Skipped > 0 || len(page.Letters) == 0 { // older ones may go meanwhile
					t.Errorf("%d letters, %d lines skipped", len(page.Letters), page.Skipped)
				}
				for i := range page.Letters[1:] {
					before, after := page.Letters[i].Time, page.Letters[i+1].Time
					if after.Before(before) {
						t.Errorf("%s after %s", page.Letters[i+1].EventID, page.Letters[i].EventID)
					}
				}
			}
		})
	}
	keepMany(t, letters, 200, 3000)
	close(stop)
	reading.Wait()
}

func TestBrokenLinesAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	event := newEvent(t, "e").Body()
	legacy := `{"endpoint":"a","event":` + string(event) + `,"attempts":1,"reason":"rejected","time":"2026-02-05T12:00:00.000000000Z"}`
	rest := `","endpoint":"a","event":{},"reason":"rejected","time":"2026-02-05T12:00:00Z"}`
	text := strings.Join([]string{
		legacy,
		strings.Replace(legacy, `"attempts":1`, `"attempts":2`, 1),
		`{"id":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b43` + rest,
		`{"id":"no uuid` + rest,
		`{"id":"4d9e`,
		`{"endpoint":"a"}`,
		`{"endpoint":"a","event":null,"time":"2026-02-05T12:00:00Z"}`,
		`{"endpoint":"","event":{},"time":"2026-02-05T12:00:00Z"}`,
		`{"endpoint":"a","event":{},"time":"yesterday"}`,
		`{"replayed":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b43","time":"2026-02-05T13:00:00Z","fate":"lost"}`,
		`{"replayed":"4d9e`,
		``,
		`[]`, `7`, `not JSON`, "\x00\xff",
		`{"id":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b44` + rest + "\n" + `{"endpoint":"torn`,
	}, "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, DeadLettersFile), []byte(text), 0o600))
	letters := openLetters(t, dir)
	page := listAll(t, letters)
	require.Len(t, page.Letters, 4)
	require.Equal(t, 13, page.Skipped)
	require.NotEqual(t, page.Letters[0].ID, page.Letters[1].ID)
	require.NotEqual(t, uuid.Nil, page.Letters[0].ID)
	require.Equal(t, page, listAll(t, letters), "an id that was made up stays")
	found, err := letters.Find(context.Background(), page.Letters[1].ID)
	require.NoError(t, err)
	require.Equal(t, 2, found.Attempts)
	require.JSONEq(t, string(event), string(found.Event))
}

func TestReadingEndsWithItsContextAndWithClose(t *testing.T) {
	letters := openLetters(t, t.TempDir())
	keepMany(t, letters, 0, 10)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := letters.List(ctx, DeadLetterQuery{Limit: 1})
	require.ErrorIs(t, err, context.Canceled)

	for range maxReads {
		_, err := letters.view(context.Background(), letters.reads)
		require.NoError(t, err)
	}
	waiting := make(chan error)
	go func() {
		_, err := letters.List(context.Background(), DeadLetterQuery{Limit: 1})
		waiting <- err
	}()
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = letters.List(short, DeadLetterQuery{Limit: 1})
	require.ErrorIs(t, err, ErrDeadLettersBusy)
	require.NoError(t, letters.Close())
	require.ErrorIs(t, <-waiting, messages.ErrClosed)
}

func TestDeadLettersThatAreDeletedAreToldAndCounted(t *testing.T) {
	var log bytes.Buffer
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	var endpoint taker
	keepMany(t, letters, 0, 10)
	replayAll(t, letters, endpoint.offer)
	for _, ended := range endpoint.ended {
		ended(delivery.Delivered)
	}
	require.Zero(t, letters.Deleted())
	keepMany(t, letters, 10, 200)
	gone := 200 - len(listAll(t, letters).Letters)
	require.Greater(t, gone, 50)
	require.Equal(t, Deletions{MaxBytes: uint64(gone)}, letters.Deleted())
	require.NoError(t, letters.Close())
	require.Equal(t, Deletions{MaxBytes: uint64(gone)}, letters.Deleted(), "also after Close")
	require.Contains(t, log.String(), "the oldest dead letters are deleted: dead_letters.max_bytes is reached")
}

func TestWhatIsTakenAwayIsBegunAnew(t *testing.T) {
	for name, c := range map[string]struct {
		takeAway func(dir string) error
		left     []string // of the letters before
	}{
		"the file": {func(dir string) error {
			return os.Rename(filepath.Join(dir, DeadLettersFile), filepath.Join(dir, "elsewhere"))
		}, nil},
		"the lock":                            {func(dir string) error { return os.Remove(filepath.Join(dir, lockFile)) }, []string{"0", "1", "2"}},
		"the folder":                          {os.RemoveAll, nil},
		"the folder, and it stands elsewhere": {func(dir string) error { return os.Rename(dir, dir+"2") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "letters")
			var log bytes.Buffer
			cfg := config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes}
			letters, err := OpenDeadLetters(cfg, slog.New(slog.NewTextHandler(&log, nil)))
			require.NoError(t, err)
			keepMany(t, letters, 0, 3)
			require.NoError(t, c.takeAway(dir))
			keepMany(t, letters, 3, 5)
			require.Equal(t, append(c.left, "3", "4"), eventIDsOf(listAll(t, letters)))
			require.Contains(t, log.String(), "was taken away")

			info, err := os.Stat(dir)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
			bytesIn(t, dir)
			_, err = OpenDeadLetters(cfg, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, "in use by another webhookd")
			require.NoError(t, letters.Close())
			require.Len(t, fileLines(t, dir), len(c.left)+3)
		})
	}
}

func TestFolderThatAnotherProgramTookMeanwhileIsLeftToIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "letters")
	var log bytes.Buffer
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	other := openLetters(t, dir)
	require.False(t, letters.Keep(letterOf(newEvent(t, "lost")), false))
	require.Contains(t, log.String(), "a dead letter is not kept")
	require.Contains(t, log.String(), "in use by another webhookd")
	keepMany(t, other, 0, 1)
	require.Equal(t, []string{"0"}, eventIDsOf(listAll(t, other)))

	require.NoError(t, other.Close())
	keepMany(t, letters, 1, 2)
	require.Equal(t, []string{"0", "1"}, eventIDsOf(listAll(t, letters)))
}

func TestLetterAsLargeAsAllFilesIsKept(t *testing.T) {
	letters := openLetters(t, t.TempDir())
	keepMany(t, letters, 0, 3)
	line, err := encodeLine(letterOf(newEvent(t, "x")))
	require.NoError(t, err)
	letters.file.maxBytes = int64(len(line))
	require.True(t, letters.Keep(letterOf(newEvent(t, "x")), false))
	require.Equal(t, []string{"x"}, eventIDsOf(listAll(t, letters)))
	letters.file.maxBytes--
	require.False(t, letters.Keep(letterOf(newEvent(t, "x")), false))
}

func TestReadThatFailsGivesItsPlaceBack(t *testing.T) {
	dir := t.TempDir()
	letters := openLetters(t, dir)
	keepMany(t, letters, 0, 1)
	letters.file.rotate(time.Now())
	older := filepath.Join(dir, letters.file.older[0].name)
	require.NoError(t, os.Rename(older, older+"2"))
	require.NoError(t, os.Mkdir(older, 0o700)) // which opens, and can't be read
	for range 2 * maxReads {
		_, err := letters.List(t.Context(), DeadLetterQuery{Limit: 1})
		require.ErrorContains(t, err, "read the dead letters")
		_, err = letters.Replay(t.Context(), DeadLetterFilter{}, (&taker{}).offer)
		require.ErrorContains(t, err, "read the dead letters")
	}
	require.NoError(t, os.Remove(older))
	require.Empty(t, listAll(t, letters).Letters)
}

func TestFirstLetterOfAFileRotatesNothing(t *testing.T) {
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes})
	require.True(t, letters.Keep(letterOf(newEventOf(t, "more than an eighth", smallBytes/2)), false))
	require.Empty(t, letters.file.older)
}
