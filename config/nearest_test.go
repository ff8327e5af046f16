package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearestKeyIsSuggested(t *testing.T) {
	keys := []string{"type", "url", "timeout", "queue_size", "mqtt_broker"}
	for word, want := range map[string]string{
		"tpye":                        "type",
		"URL":                         "url",
		"urls":                        "url",
		"queueSize":                   "queue_size",
		"queue-size":                  "queue_size",
		"time_out":                    "timeout",
		"mqtt":                        "mqtt_broker",
		"":                            "",
		"out":                         "",
		"headers":                     "",
		"typetypetype":                "",
		strings.Repeat("timeout", 10): "",
	} {
		if want != "" {
			want = ` (did you mean "` + want + `"?)`
		}
		require.Equal(t, want, suggestion(word, keys), word)
	}
}

func TestEditDistanceCountsTypingSlips(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "ab", 1}, {"abc", "abxc", 1}, {"abc", "axc", 1},
		{"abcd", "acbd", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3},
	} {
		require.Equal(t, test.want, editDistance(test.a, test.b), "%s, %s", test.a, test.b)
		require.Equal(t, test.want, editDistance(test.b, test.a), "%s, %s", test.b, test.a)
	}
}
