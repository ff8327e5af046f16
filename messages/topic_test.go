package messages_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestTopicFilterMatchesAsTheStandardSays(t *testing.T) {
	for _, c := range []struct {
		section, filter string
		matches, misses []string
	}{
		{
			"§4.7.1.2", "sport/tennis/player1/#",
			[]string{"sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"},
			[]string{"sport/tennis", "sport/tennis/player2", "sport/tennis/player11"},
		},
		{"§4.7.1.2", "sport/#", []string{"sport", "sport/", "sport/tennis"}, []string{"sports", "a/sport"}},
		{"§4.7.1.2", "#", []string{"sport", "/", "/finance", "a/b/c"}, []string{"$SYS", "$SYS/monitor"}},
		{"§4.7.1.2", "a/#", []string{"a", "a/b"}, []string{"b", "ab"}},
		{
			"§4.7.1.3", "sport/tennis/+",
			[]string{"sport/tennis/player1", "sport/tennis/player2"},
			[]string{"sport/tennis/player1/ranking", "sport/tennis"},
		},
		{"§4.7.1.3", "sport/+", []string{"sport/"}, []string{"sport", "sport/a/b"}},
		{"§4.7.1.3", "+", []string{"finance"}, []string{"/finance", "a/b", "$SYS"}},
		{"§4.7.1.3", "+/+", []string{"/finance", "a/b"}, []string{"finance", "a/b/c"}},
		{"§4.7.1.3", "/+", []string{"/finance"}, []string{"finance"}},
		{"§4.7.1.3", "+/tennis/#", []string{"sport/tennis", "/tennis/player1"}, []string{"sport/football", "tennis"}},
		{"§4.7.1.3", "sport/+/player1", []string{"sport/tennis/player1", "sport//player1"}, []string{"sport/player1"}},
		{"§4.7.2", "+/monitor/Clients", []string{"a/monitor/Clients"}, []string{"$SYS/monitor/Clients"}},
		{"§4.7.2", "+/x", []string{"a/x"}, []string{"$SYS/x"}},
		{"§4.7.2", "$SYS/#", []string{"$SYS/", "$SYS", "$SYS/monitor/Clients"}, []string{"SYS/a"}},
		{"§4.7.2", "$SYS/monitor/+", []string{"$SYS/monitor/Clients"}, []string{"$SYS/monitor"}},
		{"§4.7.2", "a/+", []string{"a/$b"}, nil},
		{"§4.7.3", "ACCOUNTS", []string{"ACCOUNTS"}, []string{"Accounts"}},
		{"§4.7.3", "Accounts payable", []string{"Accounts payable"}, []string{"Accounts"}},
		{"§4.7.3", "/finance", []string{"/finance"}, []string{"finance", "/finance/", ""}},
		{"§4.7.3", "/", []string{"/"}, []string{"", "//"}},
	} {
		filter, err := messages.ParseTopicFilter(c.filter)
		require.NoError(t, err, "%s: %s", c.section, c.filter)
		require.Equal(t, c.filter, filter.String())
		for _, topic := range c.matches {
			require.True(t, filter.Matches(topic), "%s: %q matches %q", c.section, c.filter, topic)
		}
		for _, topic := range c.misses {
			require.False(t, filter.Matches(topic), "%s: %q misses %q", c.section, c.filter, topic)
		}
	}
}

func TestTopicFilterMatchesTheFilterOfASubscriptionAsText(t *testing.T) {
	filter := mustParseFilter(t, "sport/+/player1")
	require.True(t, filter.Matches("sport/+/player1"))
	require.True(t, mustParseFilter(t, "sport/#").Matches("sport/#"))
	require.False(t, filter.Matches("sport/#"))
	require.False(t, mustParseFilter(t, "#").Matches("$SYS/#"))
}

func TestZeroTopicFilterMatchesNothing(t *testing.T) {
	require.False(t, messages.TopicFilter{}.Matches(""))
	require.False(t, messages.TopicFilter{}.Matches("a"))
}

func TestInvalidTopicFilterIsRefused(t *testing.T) {
	const (
		misplacedHash = `has a "#" that is not the whole of its last level`
		misplacedPlus = `has a "+" that is not the whole of its level`
		shared        = `is a shared subscription, which no topic name matches: leave "$share/GROUP/" away`
	)
	for filter, problem := range map[string]string{
		"sport/tennis#":          misplacedHash,
		"sport/tennis/#/ranking": misplacedHash,
		"a/#/b":                  misplacedHash,
		"#/":                     misplacedHash,
		"##":                     misplacedHash,
		"sport+":                 misplacedPlus,
		"a/+b/c":                 misplacedPlus,
		"++":                     misplacedPlus,
		"$share/g/a":             shared,
		"$share/g":               shared,
		"":                       "is empty",
		"a\x00b":                 "holds U+0000",
		"a\xffb":                 "is not valid UTF-8",
		strings.Repeat("a", messages.MaxTopicBytes+1): "has 65536 bytes, and MQTT allows 65535",
	} {
		_, err := messages.ParseTopicFilter(filter)
		require.EqualError(t, err, problem, "%.40q", filter)
	}
	_, err := messages.ParseTopicFilter(strings.Repeat("a", messages.MaxTopicBytes))
	require.NoError(t, err)
}

func TestMatchesAllocatesNothing(t *testing.T) {
	filters := []messages.TopicFilter{mustParseFilter(t, "sport/+/player1/#"), mustParseFilter(t, "#"), mustParseFilter(t, "a/b")}
	matched := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, filter := range filters {
			if filter.Matches("sport/tennis/player1/ranking") {
				matched++
			}
		}
	}))
	require.Positive(t, matched)
}

func FuzzTopicFilter(f *testing.F) {
	for _, seed := range [][2]string{
		{"sport/tennis/player1/#", "sport/tennis/player1"},
		{"+/tennis/#", "/tennis"},
		{"#", "$SYS/x"},
		{"+", "$SYS"},
		{"$SYS/#", "$SYS"},
		{"/+", "/"},
		{"a/#/b", "a"},
		{"sport+", "sport"},
		{"$share/g/a", "a"},
		{"\xff", "\x00"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, filterText, topic string) {
		filter, err := messages.ParseTopicFilter(filterText)
		require.Equal(t, plainlyValid(filterText), err == nil, "%q: %v", filterText, err)
		if err != nil {
			require.Zero(t, filter)
			return
		}
		require.Equal(t, filterText, filter.String())
		require.Equal(t, plainlyMatches(filterText, topic), filter.Matches(topic), "%q, %q", filterText, topic)
	})
}

// plainlyValid and plainlyMatches say the same as the package in another way: by slices of levels.
func plainlyValid(filter string) bool {
	if filter == "" || len(filter) > 65535 || !utf8.ValidString(filter) || strings.Contains(filter, "\x00") {
		return false
	}
	levels := strings.Split(filter, "/")
	if len(levels) > 1 && levels[0] == "$share" {
		return false
	}
	for i, level := range levels {
		last := i == len(levels)-1
		if level == "+" || level == "#" && last {
			continue
		}
		if strings.ContainsAny(level, "+#") {
			return false
		}
	}
	return true
}

func plainlyMatches(filter, topic string) bool {
	filterLevels, topicLevels := strings.Split(filter, "/"), strings.Split(topic, "/")
	wild := filterLevels[0] == "+" || filterLevels[0] == "#"
	if topic == "" || wild && strings.HasPrefix(topic, "$") {
		return false
	}
	return levelsMatch(filterLevels, topicLevels)
}

func levelsMatch(filter, topic []string) bool {
	switch {
	case len(filter) == 0:
		return len(topic) == 0
	case filter[0] == "#":
		return true
	case len(topic) == 0:
		return false
	}
	return (filter[0] == "+" || filter[0] == topic[0]) && levelsMatch(filter[1:], topic[1:])
}

func BenchmarkMatches(b *testing.B) {
	for name, filter := range map[string]string{"exact": "sensors/hall-3/rack-12/temperature", "plus": "sensors/+/+/temperature", "hash": "sensors/#"} {
		parsed, err := messages.ParseTopicFilter(filter)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !parsed.Matches("sensors/hall-3/rack-12/temperature") {
					b.Fatal("misses")
				}
			}
		})
	}
}

func mustParseFilter(t *testing.T, text string) messages.TopicFilter {
	t.Helper()
	filter, err := messages.ParseTopicFilter(text)
	require.NoError(t, err)
	return filter
}
