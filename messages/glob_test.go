package messages_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestGlobMatchesTheWholeText(t *testing.T) {
	for _, c := range []struct {
		glob, text string
		want       bool
	}{
		{"sensor-1", "sensor-1", true},
		{"sensor-1", "sensor-12", false},
		{"sensor-1", "my-sensor-1", false},
		{"sensor-1", "Sensor-1", false},
		{"sensor-*", "sensor-", true},
		{"sensor-*", "sensor-12", true},
		{"sensor-?", "sensor-1", true},
		{"sensor-?", "sensor-", false},
		{"sensor-?", "sensor-12", false},
		{"*", "", true},
		{"*", "anything/at all", true},
		{"?", "", false},
		{"?*", "é", true},
		{"??", "é", false},
		{"*??", "温", false},
		{"?", "\xff", true},
		{"a*b*c", "abbbc", true},
		{"a*b*c", "acb", false},
		{"*ab", "aab", true},
		{"*a?c", "abcabc", true},
		{"*a?c*", "aabxc", false},
		{"*a?c*", "aabcx", true},
		{"a*a", "a", false},
		{"**", "x", true},
		{"[a-z].{1}\\d", "[a-z].{1}\\d", true},
		{"[a-z]", "b", false},
		{"a\\*", "a\\bc", true},
		{"a.c", "abc", false},
	} {
		glob, err := messages.ParseGlob(c.glob)
		require.NoError(t, err)
		require.Equal(t, c.want, glob.Matches(c.text), "%s %q", c.glob, c.text)
		require.Equal(t, c.glob, glob.String())
	}
}

func TestGlobThatMeansNothingIsAnError(t *testing.T) {
	for text, problem := range map[string]string{
		"":      `is empty, which no client id is: "*" stands for all`,
		"a\xff": "is not valid UTF-8",
		strings.Repeat("a", messages.MaxGlobBytes+1): "has 257 bytes, and at most 256 are allowed",
	} {
		_, err := messages.ParseGlob(text)
		require.EqualError(t, err, problem)
	}
	_, err := messages.ParseGlob(strings.Repeat("a", messages.MaxGlobBytes))
	require.NoError(t, err)
}

func TestGlobOfManyStarsIsFast(t *testing.T) {
	id := strings.Repeat("a", messages.MaxTopicBytes)
	for _, text := range []string{strings.Repeat("a*", 127) + "b", strings.Repeat("?*", 127) + "b", "*" + strings.Repeat("a?", 126) + "b*"} {
		glob, err := messages.ParseGlob(text)
		require.NoError(t, err)
		began := time.Now()
		require.False(t, glob.Matches(id))
		require.Less(t, time.Since(began), time.Second, "%.20s", text)
	}
}

func TestEmptyGlobMatchesNothing(t *testing.T) {
	require.False(t, messages.Glob{}.Matches("a"))
}

func FuzzGlobMatchesAsARegularExpressionDoes(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*??*é*", "温é\xff")
	f.Add("[*].?", "[x].y")
	f.Add("*a?c*a?", "abcaac")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		glob, err := messages.ParseGlob(pattern)
		if err != nil {
			return
		}
		// Go's expressions take a byte that is no UTF-8 for U+FFFD, a glob tells them apart.
		if strings.ContainsRune(pattern, utf8.RuneError) {
			return
		}
		expression := regexp.QuoteMeta(pattern)
		expression = strings.ReplaceAll(strings.ReplaceAll(expression, `\*`, `(?s:.*)`), `\?`, `(?s:.)`)
		require.Equal(t, regexp.MustCompile(`\A`+expression+`\z`).MatchString(text), glob.Matches(text), "%q %q", pattern, text)
	})
}

func BenchmarkGlob(b *testing.B) {
	for _, text := range []string{"sensor-4711-north", "sensor-*", "*-north", "sensor-????-*"} {
		b.Run(text, func(b *testing.B) {
			glob, err := messages.ParseGlob(text)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if !glob.Matches("sensor-4711-north") {
					b.Fatal("no match")
				}
			}
		})
	}
}
