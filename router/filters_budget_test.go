package router

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// filtered is one endpoint with the filters, and an event that passes them.
func filtered(t testing.TB, endpoint config.Endpoint) (*matcher, *messages.Envelope) {
	t.Helper()
	table, err := newRoutingTable([]config.Endpoint{endpoint})
	require.NoError(t, err)
	return newMatcher(table), messages.NewEnvelope(&messages.MessagePublished{
		ClientID: "sensor-4711", Topic: "site/500/temperature", QoS: 1, Payload: []byte(`{"celsius":21}`),
		UserProperties: []messages.UserProperty{{Name: "unit", Value: "C"}},
	})
}

func TestClientIDsAllocateNothing(t *testing.T) {
	matcher, event := filtered(t, config.Endpoint{ClientIDs: []string{"probe-*", "sensor-????"}})
	require.Len(t, matcher.match(event), 1)
	require.Zero(t, testing.AllocsPerRun(100, func() { matcher.match(event) }))
}

func TestEndpointThatAsksNothingMoreHasNoPredicate(t *testing.T) {
	matcher, _ := filtered(t, config.Endpoint{TopicFilters: []string{"site/#"}})
	require.Nil(t, matcher.table.predicates, "no event is looked at for it")
}

func TestExpressionsAboutTheSameTypesShareAnEnvironment(t *testing.T) {
	var c compiler
	for _, text := range []string{"data.qos == 1", "data.qos == 2"} {
		for _, eventType := range []messages.Type{messages.TypeMessagePublished, messages.TypeMessageDelivered} {
			_, err := c.compile(text, []messages.Type{eventType})
			require.NoError(t, err)
		}
	}
	require.Len(t, c.environments, 2)
}

func TestMatcherKeepsNoEvent(t *testing.T) {
	matcher, event := filtered(t, config.Endpoint{When: "data.qos == 1"})
	require.Len(t, matcher.match(event), 1)
	require.Zero(t, matcher.about)
}

func BenchmarkFilters(b *testing.B) {
	for name, endpoint := range map[string]config.Endpoint{
		"none":                 {},
		"client_ids":           {ClientIDs: []string{"probe-*", "sensor-*"}},
		"when/number":          {When: `data.qos == 1`},
		"when/texts":           {When: `data.topic.startsWith("site/") && data.client_id != "sensor-1"`},
		"when/regex":           {When: `data.topic.matches("^site/[0-9]+/temperature$")`},
		"when/payload":         {When: `string(data.payload).contains("celsius")`},
		"when/user properties": {When: `data.user_properties.exists(p, p.name == "unit" && p.value == "C")`},
	} {
		b.Run(name, func(b *testing.B) {
			matcher, event := filtered(b, endpoint)
			b.ReportAllocs()
			for b.Loop() {
				if len(matcher.match(event)) != 1 {
					b.Fatal("not routed")
				}
			}
		})
	}
}

func BenchmarkCompileExpression(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := new(compiler).compile(`data.topic.startsWith("site/") && data.qos > 0`, messages.Types())
		require.NoError(b, err)
	}
}

func BenchmarkLargestRegex(b *testing.B) {
	matcher, _ := filtered(b, config.Endpoint{When: `string(data.payload).matches("(?:a?){48}b")`})
	event := messages.NewEnvelope(&messages.MessagePublished{Topic: "t", Payload: []byte(strings.Repeat("a", 256<<10))})
	for b.Loop() {
		matcher.match(event)
	}
}
