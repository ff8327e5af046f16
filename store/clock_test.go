package store

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

const day = 24 * time.Hour

// set is the same moment by a wall clock that was set: time.Time keeps that, in whole seconds above its nanoseconds, apart
// from the monotonic clock.
func set(now time.Time, by time.Duration) time.Time {
	const nanoseconds = 30 // bits
	later := now
	*(*uint64)(unsafe.Pointer(&later)) += uint64(int64(by/time.Second) << nanoseconds)
	return later
}

func TestClockIsSetAsTheTestsThink(t *testing.T) {
	now := time.Now()
	for _, by := range []time.Duration{30 * day, -30 * day} {
		require.Zero(t, set(now, by).Sub(now), "by the monotonic clock")
		require.Equal(t, by, set(now, by).Round(0).Sub(now.Round(0)), "by the wall clock")
	}
}

// writeUntil writes letters, at moments that follow each other, until so many files have ended. It returns the number of
// the next one.
func writeUntil(t *testing.T, f *letterFile, files, from int, now time.Time) (next int) {
	t.Helper()
	for len(f.older) < files {
		now = now.Add(time.Second)
		letter := letterOf(newEvent(t, fmt.Sprint(from)))
		letter.Time = now
		require.NoError(t, f.write(letter, now))
		from++
	}
	return from
}

func requireInOrder(t *testing.T, letters *DeadLetters) {
	t.Helper()
	ids := eventIDsOf(listAll(t, letters))
	require.NotEmpty(t, ids)
	require.True(t, slices.IsSortedFunc(ids, func(a, b string) int { return len(a)*1000 + int(a[0]) - len(b)*1000 - int(b[0]) }), ids)
}

func TestOldestFileGivesWayHoweverTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{30 * day, -30 * day} {
		t.Run(by.String(), func(t *testing.T) {
			cfg := config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes}
			letters := openLettersOf(t, cfg)
			now := time.Now()
			next := writeUntil(t, letters.file, 3, 0, now)
			next = writeUntil(t, letters.file, 6, next, set(now, by).Add(time.Hour))
			requireInOrder(t, letters)
			require.NoError(t, letters.Close())

			letters = openLettersOf(t, cfg)
			requireInOrder(t, letters)
			oldest := letters.file.older[0].name
			for i := range 200 { // more than fit
				require.NoError(t, letters.file.write(letterOf(newEvent(t, fmt.Sprint(next+i))), time.Now()))
			}
			require.NoFileExists(t, filepath.Join(letters.file.dir, oldest))
			requireInOrder(t, letters)
		})
	}
}

func TestClockThatIsSetMakesNoFileOlder(t *testing.T) {
	for _, by := range []time.Duration{30 * day, -30 * day} {
		t.Run(by.String(), func(t *testing.T) {
			cfg := config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes, MaxAge: 7 * day}
			letters := openLettersOf(t, cfg)
			now := time.Now()
			writeUntil(t, letters.file, 2, 0, now)
			require.NoError(t, letters.Close())

			letters = openLettersOf(t, cfg) // two files of an earlier run, and two of this one
			now = time.Now()
			writeUntil(t, letters.file, 4, 100, now)
			letters.file.tend(set(now.Add(6*day), by))
			require.Len(t, letters.file.older, 5, "the growing file is a day old")
			letters.file.tend(set(now.Add(8*day), by))
			require.Len(t, letters.file.older, 1, "the time that really passed counts")
		})
	}
}

func TestFileOfAClockThatWasSetBackIsNotOlderThanTheOneBeforeIt(t *testing.T) {
	now := time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	for i, ended := range []time.Time{now.Add(-9 * day), now.Add(-day), now.Add(-40 * day), now.Add(20 * day), now} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, newLetterSegment(uint64(i+1), ended, 0).name), nil, 0o600))
	}
	earlier := "dead-letters-2027-01-01T00-00-00.000000000-size_2.jsonl" // of a version without numbers
	require.NoError(t, os.WriteFile(filepath.Join(dir, earlier), nil, 0o600))
	segments, err := letterSegmentsIn(dir, now)
	require.NoError(t, err)
	require.Equal(t, earlier, segments[0].name)

	require.NoError(t, os.Remove(filepath.Join(dir, earlier)))
	segments, err = letterSegmentsIn(dir, now)
	require.NoError(t, err)
	var ages []time.Duration
	for _, segment := range segments {
		ages = append(ages, now.Sub(segment.ended))
	}
	require.Equal(t, []time.Duration{9 * day, day, day, 0, 0}, ages)
	f, err := openLetterFile(config.DeadLetters{Dir: config.Path(dir), MaxBytes: smallBytes, MaxAge: 7 * day}, now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Len(t, f.older, 4)
	require.NoError(t, f.close())
}

func TestFilesOfAnEarlierVersionComeFirst(t *testing.T) {
	dir := t.TempDir()
	names := []string{
		"dead-letters-2026-02-05T12-00-00.000000000-size.jsonl",
		"dead-letters-2026-02-05T12-00-00.000000000-size_1.jsonl",
		"dead-letters-2026-02-05T12-00-00.000000000-size_10.jsonl",
		"dead-letters-2026-02-06T12-00-00.000000000-size.jsonl",
		"dead-letters-0000000009-2026-02-04T12-00-00.000000000.jsonl",
		"dead-letters-0000000010-2026-02-03T12-00-00.000000000.jsonl",
	}
	for i, name := range append(slices.Clone(names), "dead-letters-9-2026-02-04T12-00-00.000000000.jsonl", "dead-letters-0000000011-2026-02-31T12-00-00.000000000.jsonl", "notes.txt") {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, `{"endpoint":"a","event":{"event_id":"%d"},"reason":"rejected","time":"2026-02-05T12:00:00Z"}`+"\n", i), 0o600))
	}
	letters := openLetters(t, dir)
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, eventIDsOf(listAll(t, letters)))
	require.NoError(t, letters.file.write(letterOf(newEvent(t, "6")), time.Now()))
	letters.file.rotate(time.Now())
	require.EqualValues(t, 11, letters.file.older[6].number)
	require.Contains(t, letters.file.older[6].name, "dead-letters-0000000011-")
}
