package store

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// readLines reads all lines; "?" stands for one that is none.
func readLines(t *testing.T, from io.Reader, limit int) []string {
	t.Helper()
	lines := newLineReader(from, limit)
	var read []string
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return read
		case errors.Is(err, errNoLine):
			read = append(read, "?")
		default:
			require.NoError(t, err)
			read = append(read, string(line))
		}
	}
}

func TestLinesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for name, c := range map[string]struct {
		text  string
		limit int
		lines []string
	}{
		"nothing":              {"", 10, nil},
		"two":                  {"a\nb\n", 10, []string{"a", "b"}},
		"torn":                 {"a\nb", 10, []string{"a", "?"}},
		"as long as allowed":   {"aaaaaaaaaa\nb\n", 10, []string{"aaaaaaaaaa", "b"}},
		"too long":             {"aaaaaaaaaaa\nb\n", 10, []string{"?", "b"}},
		"longer than a buffer": {long + "\nb\n", len(long), []string{long, "b"}},
		"and a byte too long":  {long + "x\nb\n", len(long), []string{"?", "b"}},
		"endless":              {long + long, 10, []string{"?"}},
		"empty ones":           {"\n\n", 10, []string{"", ""}},
	} {
		require.Equal(t, c.lines, readLines(t, strings.NewReader(c.text), c.limit), name)
	}
	_, err := newLineReader(iotest.ErrReader(io.ErrNoProgress), 10).next()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func FuzzDeadLetterLines(f *testing.F) {
	f.Add([]byte(`{"id":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b43","endpoint":"a","event":{"event_id":"e"},"attempts":1,"reason":"rejected","time":"2026-02-05T12:00:00Z"}`+"\n"), uint16(300))
	f.Add([]byte(`{"replayed":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b43","time":"2026-02-05T12:00:00Z","fate":"delivered"}`+"\n{"), uint16(300))
	f.Add([]byte(`{"endpoint":"a","event":{"event_type":"message.published","event_id":"e","timestamp":"2026-02-05T12:00:00Z","data":{"topic":"t"}},"attempts":1,"reason":"rejected","time":"2026-02-05T12:00:00Z"}`), uint16(300))
	f.Add([]byte("{}\n\nx\n\xff"), uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, limit uint16) {
		want := strings.Split(string(text), "\n")
		if last := len(want) - 1; want[last] == "" {
			want = want[:last]
		} else {
			want[last] = "?"
		}
		lines := readLines(t, bytes.NewReader(text), int(limit))
		require.Len(t, lines, len(want))
		for i, line := range lines {
			if want[i] != "?" && len(want[i]) > int(limit) {
				want[i] = "?"
			}
			require.Equal(t, want[i], line)
			parseLine(t, []byte(line))
		}
	})
}

// parseLine checks that what is read from a line is whole, and the same each time.
func parseLine(t *testing.T, line []byte) {
	if isReplayEnd(line) {
		if end, err := parseReplayEnd(line); err == nil {
			written, err := encodeLine(end)
			require.NoError(t, err)
			again, err := parseReplayEnd(written)
			require.NoError(t, err)
			require.Equal(t, end.ID, again.ID)
			require.True(t, end.Time.Equal(again.Time))
		}
		return
	}
	letter, err := parseDeadLetter(line, true)
	if err != nil {
		return
	}
	id, err := deadLetterID(line)
	require.NoError(t, err)
	require.Equal(t, id, letter.ID)
	require.NotEmpty(t, letter.Endpoint)
	require.NotEmpty(t, letter.Event)
	if event, err := messages.RestoreEnvelope(letter.Event); err == nil {
		require.GreaterOrEqual(t, event.Size(), len(event.Body()))
	}
}
