package router

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

func TestTableFindsWhatMatchingEachFilterFinds(t *testing.T) {
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 0))
		endpoints := make([]config.Endpoint, 1+chance.IntN(12))
		for i := range endpoints {
			endpoints[i] = randomEndpoint(chance)
		}
		topics := []string{""}
		for range 30 {
			topics = append(topics, randomLevels(chance, "a", "b", "", "$SYS", "$", "+", "#", "aa"))
		}
		requireSameRoutes(t, endpoints, topics)
	}
}

// FuzzRouting reads a line for each endpoint, with its filters between spaces. What is no valid filter is left out.
func FuzzRouting(f *testing.F) {
	f.Add("sport/tennis/player1/#\nsport/tennis/+\nsport/+ +/+ /+\n#", "sport/tennis/player1")
	f.Add("# +/monitor/Clients\n$SYS/#\n$SYS/monitor/+", "$SYS/monitor/Clients")
	f.Add("sport/#", "sport")
	f.Add("+\n+/+\n/+\n/", "/finance")
	f.Add("a//b a/+/b", "$share/group/a//b")
	f.Fuzz(func(t *testing.T, lines, topic string) {
		if strings.Count(lines, "\n") > 50 {
			return
		}
		var endpoints []config.Endpoint
		for line := range strings.SplitSeq(lines, "\n") {
			filters := slices.DeleteFunc(strings.Split(line, " "), func(filter string) bool {
				_, err := messages.ParseTopicFilter(filter)
				return err != nil
			})
			endpoints = append(endpoints, config.Endpoint{TopicFilters: filters})
		}
		requireSameRoutes(t, endpoints, []string{topic})
	})
}

func randomEndpoint(chance *rand.Rand) config.Endpoint {
	var endpoint config.Endpoint
	for range chance.IntN(3) {
		endpoint.Events = append(endpoint.Events, []string{"message.*", "message.published", "client.connected",
			"subscription.created", "auth.*", "authz.subscribe_denied"}[chance.IntN(6)])
	}
	for range chance.IntN(4) {
		filter := randomLevels(chance, "a", "b", "", "$SYS", "+", "+")
		if chance.IntN(3) == 0 {
			filter = strings.TrimPrefix(filter+"/#", "/")
		}
		endpoint.TopicFilters = append(endpoint.TopicFilters, filter)
	}
	return endpoint
}

// randomLevels is a text of one to five levels that is not empty.
func randomLevels(chance *rand.Rand, names ...string) string {
	levels := make([]string, 1+chance.IntN(5))
	for i := range levels {
		levels[i] = names[chance.IntN(len(names))]
	}
	if len(levels) == 1 && levels[0] == "" {
		return "/"
	}
	return strings.Join(levels, "/")
}

// requireSameRoutes compares the table with a search that asks each endpoint in turn, for events of all types.
func requireSameRoutes(t *testing.T, endpoints []config.Endpoint, topics []string) {
	t.Helper()
	table, err := newRoutingTable(endpoints)
	require.NoError(t, err)
	matcher := newMatcher(table)
	for _, topic := range topics {
		for _, event := range eventsAbout(t, topic) {
			eventType, routingTopic := event.EventType(), event.RoutingTopic()
			var expected []int
			for i, endpoint := range endpoints {
				if wantedBy(t, endpoint, eventType, routingTopic) {
					expected = append(expected, i)
				}
			}
			found := slices.Sorted(slices.Values(matcher.match(messages.NewEnvelope(event))))
			require.Equal(t, expected, found, "%s %q, endpoints %+v", eventType, topic, endpoints)
			require.Equal(t, len(expected) > 0, table.wants(eventType, routingTopic), "%s %q", eventType, topic)
		}
	}
}

func wantedBy(t *testing.T, endpoint config.Endpoint, eventType messages.Type, topic string) bool {
	types, err := config.ParseEvents(endpoint.Events)
	require.NoError(t, err)
	if !slices.Contains(types, eventType) {
		return false
	}
	if len(endpoint.TopicFilters) == 0 || topic == "" {
		return true
	}
	return slices.ContainsFunc(endpoint.TopicFilters, func(text string) bool {
		filter, err := messages.ParseTopicFilter(text)
		require.NoError(t, err)
		return filter.Matches(topic)
	})
}

// eventsAbout is an event of each type.
func eventsAbout(t testing.TB, topic string) []messages.Event {
	t.Helper()
	return events.OfEveryType(t,
		&messages.ClientConnected{},
		&messages.ClientDisconnected{},
		&messages.ClientSessionTakeover{},
		&messages.MessagePublished{Topic: topic},
		&messages.MessageDelivered{Topic: topic},
		&messages.MessageRetained{Topic: topic},
		&messages.SubscriptionCreated{TopicFilter: topic},
		&messages.SubscriptionRemoved{TopicFilter: topic},
		&messages.AuthSuccess{},
		&messages.AuthFailure{},
		&messages.AuthzPublishDenied{Topic: topic},
		&messages.AuthzSubscribeDenied{TopicFilter: topic},
	)
}

func TestEventWithoutATopicPassesEveryFilter(t *testing.T) {
	table, err := newRoutingTable([]config.Endpoint{
		{TopicFilters: []string{"a/b"}},
		{TopicFilters: []string{"$SYS/#", "+"}},
		{Events: []string{"message.*"}, TopicFilters: []string{"#"}},
	})
	require.NoError(t, err)
	matcher := newMatcher(table)
	require.Equal(t, []int{0, 1}, matcher.match(messages.NewEnvelope(&messages.ClientConnected{})))
	require.Equal(t, []int{0, 1}, matcher.match(messages.NewEnvelope(&messages.AuthFailure{})))
	require.True(t, table.wants(messages.TypeClientConnected, ""))
}

func TestEndpointIsFoundOnceByAllItsFilters(t *testing.T) {
	filters := []string{"#", "a/#", "a/b", "a/+", "+/b", "a/b", "a/b/#"}
	table, err := newRoutingTable([]config.Endpoint{
		{TopicFilters: filters}, {Events: []string{"message.*", "message.published", "message.*"}, TopicFilters: filters},
	})
	require.NoError(t, err)
	matcher := newMatcher(table)
	for range 3 {
		found := matcher.match(messages.NewEnvelope(&messages.MessagePublished{Topic: "a/b"}))
		require.ElementsMatch(t, []int{0, 1}, found)
	}
}

func TestLongestFilterAndTopicAreRouted(t *testing.T) {
	requireSameRoutes(t,
		[]config.Endpoint{{TopicFilters: []string{strings.Repeat("+/", messages.MaxTopicBytes/2) + "+"}}, {TopicFilters: []string{"/#"}}},
		[]string{strings.Repeat("/", messages.MaxTopicBytes/2), strings.Repeat("/", messages.MaxTopicBytes)})
}

func TestInvalidTypeIsWantedByNobody(t *testing.T) {
	table, err := newRoutingTable([]config.Endpoint{{}})
	require.NoError(t, err)
	require.False(t, table.wants(0, ""))
	require.False(t, table.wants(messages.Type(messages.TypeCount+1), "a"))
}

func TestUnknownEventIsAnErrorOfItsEndpoint(t *testing.T) {
	_, err := newRoutingTable([]config.Endpoint{{Name: "a"}, {Name: "b", Events: []string{"message.lost"}}})
	require.ErrorContains(t, err, `endpoint "b": events[0]`)
	require.ErrorContains(t, err, "message.lost")
}
