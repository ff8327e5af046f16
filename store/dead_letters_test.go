package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func openLetters(t *testing.T, dir string) *DeadLetters {
	t.Helper()
	return openLettersOf(t, config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30})
}

func openLettersOf(t *testing.T, cfg config.DeadLetters) *DeadLetters {
	t.Helper()
	letters, err := OpenDeadLetters(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = letters.Close() })
	return letters
}

func letterOf(event *messages.Envelope) *DeadLetter {
	return &DeadLetter{
		Endpoint: "a", Event: event, Attempts: 3, LastStatus: 500, LastError: "status 500 <busy>",
		Reason: "max_attempts", Time: time.Unix(0, 0),
	}
}

// fileLines are the lines of the file, and the rest after the last line's end.
func fileLines(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, DeadLettersFile))
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}

func TestMemoryKeepsTheLatestThousandLetters(t *testing.T) {
	letters := openLetters(t, "")
	for i := range MaxDeadLetters + 7 {
		require.True(t, letters.Keep(letterOf(newEvent(t, fmt.Sprint(i))), false))
	}
	latest := letters.Latest()
	require.Len(t, latest, MaxDeadLetters)
	require.Equal(t, "7", latest[0].Event.ID)
	require.Equal(t, fmt.Sprint(MaxDeadLetters+6), latest[MaxDeadLetters-1].Event.ID)
}

func TestMemoryKeepsSixteenMebibytesOfLetters(t *testing.T) {
	const size = MaxDeadLettersBytes / 4
	letters := openLetters(t, "")
	for i := range 6 {
		letters.Keep(letterOf(newEventOf(t, fmt.Sprint(i), size)), false)
	}
	require.Equal(t, []string{"2", "3", "4", "5"}, idsOf(letters))
	letters.Keep(letterOf(newEventOf(t, "one byte more", size+1)), false)
	require.Equal(t, []string{"4", "5", "one byte more"}, idsOf(letters))
	letters.Keep(letterOf(newEventOf(t, "too large", MaxDeadLettersBytes+1)), false)
	require.Empty(t, idsOf(letters))
	letters.Keep(letterOf(newEvent(t, "after")), false)
	require.Equal(t, []string{"after"}, idsOf(letters))
}

func idsOf(letters *DeadLetters) []string {
	var ids []string
	for _, letter := range letters.Latest() {
		ids = append(ids, letter.Event.ID)
	}
	return ids
}

func TestLetterInMemoryIsLostWhenTheProgramEnds(t *testing.T) {
	letters := openLetters(t, "")
	require.False(t, letters.Keep(letterOf(newEvent(t, "e")), true))
}

func TestFileHoldsALineForEachLetter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "missing")
	event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: "<c&>"})
	require.NoError(t, event.Admit(messages.Admission{}, time.Unix(0, 0)))
	var letters *DeadLetters
	for range 2 { // the file grows from run to run
		letters = openLetters(t, dir)
		require.True(t, letters.Keep(letterOf(event), true))
		require.NoError(t, letters.Close())
	}
	written := fileLines(t, dir)
	require.Len(t, written, 3)
	require.Empty(t, written[2])
	body := event.Body()
	id := letters.Latest()[0].ID.String()
	require.Equal(t, `{"id":"`+id+`","endpoint":"a","event":`+string(body)+`,"attempts":3,"last_status":500,`+
		`"last_error":"status 500 <busy>","reason":"max_attempts","time":"1970-01-01T00:00:00.000000000Z"}`, written[1])

	info, err := os.Stat(filepath.Join(dir, DeadLettersFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "events may be private")
}

func TestTornLastLineHarmsNoOther(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		lines  int
	}{
		"no file":         {"", 1},
		"whole lines":     {"{}\n", 2},
		"torn after some": {"{}\n{\"endpo", 3},
		"torn first":      {"{", 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, DeadLettersFile), []byte(test.before), 0o600))
			letters := openLetters(t, dir)
			require.True(t, letters.Keep(letterOf(newEvent(t, "e1")), false))
			require.True(t, letters.Keep(letterOf(newEvent(t, "e2")), false))
			written := fileLines(t, dir)
			require.Len(t, written, test.lines+2)
			require.True(t, json.Valid([]byte(written[test.lines-1])))
			require.True(t, json.Valid([]byte(written[test.lines])))
		})
	}
}

func TestLetterThatCanNotBeWrittenIsLostAndToldOnceInAWhile(t *testing.T) {
	full := "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("there is no " + full)
	}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var log bytes.Buffer
		letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		device, err := os.OpenFile(full, os.O_WRONLY, 0)
		require.NoError(t, err)
		require.NoError(t, letters.file.growing.Close())
		letters.file.growing = device
		keepMany := func() {
			for range 10 {
				require.False(t, letters.Keep(letterOf(newEvent(t, "e")), false))
			}
		}
		keepMany()
		time.Sleep(complaintInterval - time.Nanosecond)
		keepMany()
		require.Equal(t, 1, strings.Count(log.String(), "a dead letter is not kept"))
		require.Contains(t, log.String(), "no space left on device")
		time.Sleep(time.Nanosecond)
		keepMany()
		require.Equal(t, 2, strings.Count(log.String(), "a dead letter is not kept"))
		require.Len(t, letters.Latest(), 30, "memory has them")
		require.False(t, letters.file.torn, "not a byte of them was written")
		_ = letters.Close() // the device can't be synced
	})
}

func TestLetterAfterCloseIsKeptInMemoryOnly(t *testing.T) {
	dir := t.TempDir()
	letters := openLetters(t, dir)
	require.True(t, letters.Keep(letterOf(newEvent(t, "before")), false))
	require.NoError(t, letters.Close())
	require.NoError(t, letters.Close(), "a second Close")
	require.True(t, letters.Keep(letterOf(newEvent(t, "after")), false))
	require.False(t, letters.Keep(letterOf(newEvent(t, "at the end")), true))
	require.Equal(t, []string{"before", "after", "at the end"}, idsOf(letters))
	require.Len(t, fileLines(t, dir), 2)
}

func TestFolderIsForOneProgram(t *testing.T) {
	dir := t.TempDir()
	letters := openLetters(t, dir)
	_, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	require.EqualError(t, err, "dead_letters.dir is in use by another webhookd: give each a folder of its own")
	require.NoError(t, letters.Close())
	openLetters(t, dir)
}

func TestFolderThatIsAFileIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(file), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "make the folder for dead letters")
}
