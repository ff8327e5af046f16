package terminal

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONForATerminalIsPrintableAndMeansTheSame(t *testing.T) {
	for _, text := range []string{
		"", "plain", "größer → 日本", "quotes \" and \\", "line\nend\ttab", "\x00\x1b[31m\a\x7f", "C1 \u0085\u009b", "\u202eright to left", "\U000e0001 tag", "\ufeff", "\uffff",
	} {
		given, err := json.Marshal(map[string]string{"text": text})
		require.NoError(t, err)
		safe := JSON(given)
		require.True(t, Printable(safe), safe)
		var read map[string]string
		require.NoError(t, json.Unmarshal([]byte(safe), &read))
		require.Equal(t, text, read["text"])
	}
	require.Equal(t, "{\n  \"a\": 1\n}", JSON([]byte("{\n  \"a\": 1\n}")), "an indented text keeps its lines")
}

func TestTextForATerminalIsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"plain":           "plain",
		"eight or":        "eight or",
		"more than eight": "more th…",
		"größer":          "größer",
		"a\tb":            `"a\tb"`,
		"\x1b[31m":        `"\x1b[31m"`,
		"\u202e":          `"\u202e"`,
	} {
		require.Equal(t, want, Shown(text, 8))
	}
}
