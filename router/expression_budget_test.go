package router

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// large is an event whose topic and payload repeat the text up to so many bytes, with so many user properties.
func large(text string, bytes, properties int) *messages.MessagePublished {
	event := &messages.MessagePublished{ClientID: "c", UserProperties: make([]messages.UserProperty, properties)}
	event.Topic = strings.Repeat(text, bytes/len(text))
	event.Payload = []byte(event.Topic)
	for i := range event.UserProperties {
		event.UserProperties[i] = messages.UserProperty{Name: "name", Value: fmt.Sprint(i)}
	}
	return event
}

// asking is a matcher of so many endpoints that ask the same.
func asking(t testing.TB, endpoints int, when string) *matcher {
	t.Helper()
	all := make([]config.Endpoint, endpoints)
	for i := range all {
		all[i] = config.Endpoint{Name: fmt.Sprint(i), When: when}
	}
	table, err := newRoutingTable(all)
	require.NoError(t, err)
	return newMatcher(table)
}

func (m *matcher) allFilterErrors() (sum uint64) {
	for endpoint := range m.failed {
		sum += m.filterErrors(endpoint)
	}
	return sum
}

// quickest is the least that it took of a few times, so that what else the machine does matters little.
func quickest(try func()) time.Duration {
	least := time.Hour
	for range 5 {
		began := time.Now()
		try()
		least = min(least, time.Since(began))
	}
	return least
}

func TestExpressionsKeepToTheirBudgets(t *testing.T) {
	searched, propertied := large("x", 260<<10, 0), large("x", 10, 8000)
	searched.Topic = "t"
	for text, event := range map[string]messages.Event{
		`data.user_properties.exists(p, p.name == "unit" && p.value == "C")`:   propertied,
		`data.user_properties.map(p, p.value).filter(v, v == "7").size() == 1`: propertied,
		`data.user_properties.all(p, data.user_properties.all(q, p == q))`:     propertied,
		`data.user_properties == [{"name": "x", "value": "y"}]`:                propertied,
		`data.user_properties.exists(p, timestamp.getHours(p.name) == 3)`:      propertied,
		`string(data.payload).contains("needle")`:                              searched,
		`string(data.payload).contains("a needle that is longer than that")`:   searched,
		`string(data.payload).contains("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy")`:   searched,
		`string(data.payload).matches("(?:x?){48}y")`:                          searched,
		`string(data.payload).split("").exists(c, c == "b")`:                   searched,
		`string(data.payload).upperAscii() == "Y"`:                             searched,
		`data.payload + data.payload == b"y"`:                                  searched,
	} {
		for endpoints, budget := range map[int]time.Duration{1: expressionBudget, 100: eventBudget, 1000: eventBudget} {
			matcher, envelope := asking(t, endpoints, text), messages.NewEnvelope(event)
			took := quickest(func() { matcher.match(envelope) })
			require.Less(t, took, slowness*(budget+time.Duration(endpoints)*2*time.Microsecond), "%d endpoints: %s", endpoints, text)
		}
	}
}

func TestWrittenTimeZoneCostsNoLookUp(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "+01:00"} {
		matcher := asking(t, 1, `data.user_properties.all(p, timestamp.getHours("`+zone+`") < 24)`)
		require.Len(t, matcher.match(messages.NewEnvelope(large("x", 10, 100))), 1, zone)
		require.Zero(t, matcher.allFilterErrors(), zone)
	}
}

func TestHundredEndpointsSearchOneLargePayload(t *testing.T) {
	event := large("x", 260<<10, 0)
	event.Payload = append(event.Payload, "here is the needle that is searched for"...)
	for _, needle := range []string{"needle", "the needle that is searched for"} {
		matcher := asking(t, 100, `string(data.payload).contains("`+needle+`")`)
		require.Len(t, matcher.match(messages.NewEnvelope(event)), 100, needle)
		require.Zero(t, matcher.allFilterErrors())
	}
}

func TestExpressionsMayTakeWhatTheDocumentsSay(t *testing.T) {
	for _, said := range []struct {
		when       string
		endpoints  int
		bytes      int
		properties int
	}{
		{`!string(data.payload).contains("a needle that is longer than eight bytes")`, 1, 2_500_000, 0},
		{`!string(data.payload).contains("needle")`, 40, 1 << 20, 0},
		{`!string(data.payload).contains("needle")`, 100, 500_000, 0},
		{`string(data.payload).matches("^[a-z]+[0-9]*$")`, 1, 12_000, 0},
		{`string(data.payload).upperAscii() != "X"`, 1, 16_000, 0},
		{`!data.user_properties.exists(p, p.name == "priority" && p.value == "high")`, 1, 1, 1400},
	} {
		event := large("x", said.bytes, said.properties)
		event.Topic = "t"
		require.Len(t, asking(t, said.endpoints, said.when).match(messages.NewEnvelope(event)), said.endpoints, said.when)
	}
}

func TestPayloadIsMadeATextOnceForAllEndpoints(t *testing.T) {
	event := large("x", 1<<20, 0)
	matcher, envelope := asking(t, 10, `string(data.payload) == "y"`), messages.NewEnvelope(event)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	matcher.match(envelope)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
}

func TestPayloadThatTakesTooLongToMakeATextIsTooCostly(t *testing.T) {
	event := large("x", 3<<20, 0)
	event.Topic = "t"
	matcher := asking(t, 2, `string(data.payload) != "x"`)
	require.Empty(t, matcher.match(messages.NewEnvelope(event)))
	require.EqualValues(t, 2, matcher.allFilterErrors())
	require.Len(t, asking(t, 2, `size(data.payload) > 100`).match(messages.NewEnvelope(event)), 2)
}

func TestUserPropertiesAreMadeOnceForAllEndpointsAndOnlyForWhoAsks(t *testing.T) {
	envelope := messages.NewEnvelope(large("x", 10, 8000))
	allocations := func(endpoints int, when string) float64 {
		matcher := asking(t, endpoints, when)
		return testing.AllocsPerRun(10, func() { matcher.match(envelope) })
	}
	require.Less(t, allocations(1, `data.qos == 1`), 20.0)
	one, hundred := allocations(1, `size(data.user_properties) == 0`), allocations(100, `size(data.user_properties) == 0`)
	require.Greater(t, one, 100.0)
	require.Less(t, hundred, one+100*20)
}

func TestExpressionHasItsShareWhateverOthersTake(t *testing.T) {
	const costly, modest = `data.user_properties.all(p, p.name == "name")`, `data.topic.upperAscii() == "Y"`
	event := messages.NewEnvelope(large("y", 1<<10, 8000)) // of which the modest one takes a third of its share
	for _, modestAt := range []int{0, 50, 99} {
		all := make([]config.Endpoint, 100)
		for i := range all {
			all[i].When = costly
		}
		all[modestAt].When = modest
		table, err := newRoutingTable(all)
		require.NoError(t, err)
		matcher := newMatcher(table)
		require.Empty(t, matcher.match(event))
		require.EqualValues(t, 99, matcher.allFilterErrors())
		require.Zero(t, matcher.filterErrors(modestAt))
	}
}

func TestSharesAreAmongTheExpressionsThatHaveToBeEvaluated(t *testing.T) {
	all := make([]config.Endpoint, 300)
	for i := range all {
		all[i] = config.Endpoint{When: `!data.user_properties.all(p, p.name == "other")`}
		switch {
		case i == 7:
			all[i].When = `data.user_properties.all(p, p.name == "name")`
		case i%2 == 0:
			all[i].ClientIDs = []string{"other"}
		default:
			all[i].TopicFilters = []string{"other"}
		}
	}
	table, err := newRoutingTable(all)
	require.NoError(t, err)
	matcher := newMatcher(table)
	require.Equal(t, []int{7}, matcher.match(messages.NewEnvelope(large("x", 10, 1000))))
	require.Zero(t, matcher.allFilterErrors())
}

func TestShareIsOfWhatTheOthersLeft(t *testing.T) {
	m := newMeter(4)
	left := func() time.Duration {
		m.begin()
		return m.expression
	}
	require.Equal(t, expressionBudget, left(), "a millisecond, however few they are")
	for range 4 {
		m.chargeEvent(sharedBudget - 750*time.Microsecond)
	}
	require.Equal(t, time.Millisecond, left())
	require.Panics(t, func() { m.chargeEvent(sharedBudget + 1) })
	m.charge(m.expression)
	require.Zero(t, m.expression)
	m.chargeEvent(time.Millisecond)
	require.Equal(t, 500*time.Microsecond, left())
	require.Panics(t, func() { m.charge(500*time.Microsecond + 1) })
	require.Equal(t, time.Millisecond, m.event, "what was too much was not done")
	m.chargeEvent(2 * time.Millisecond)
	require.Equal(t, leastBudget, left())
}

func TestCostOfAValueIsThatOfAllItHolds(t *testing.T) {
	text := strings.Repeat("v", 1000)
	for name, test := range map[string]struct {
		value any
		cost  time.Duration
	}{
		"text":  {text, copying.of(1000)},
		"bytes": {[]byte(text), copying.of(1000)},
		"list":  {[]string{text, "x"}, 2*comparedValue + copying.of(1001)},
		"map":   {map[string]string{"key": text}, comparedValue + copying.of(1003)},
		"lists": {[][]string{{text}}, 2*comparedValue + copying.of(1000)},
	} {
		m := meter{event: time.Hour, expression: time.Hour}
		rate{bytes: copying, values: true}.charge(&m, types.DefaultTypeAdapter.NativeToValue(test.value))
		require.Equal(t, test.cost, time.Hour-m.event, name)
	}
}

// reckoned is what the expression takes about the event beside what it takes about the smallest one.
func reckoned(t *testing.T, text string, event messages.Event) time.Duration {
	t.Helper()
	compiled, err := new(compiler).compile(text, messages.Types())
	require.NoError(t, err, text)
	about := subjectOf(event)
	about.ResolveName("data.user_properties")
	about.meter = meter{event: time.Hour, expression: time.Hour}
	_, _, err = compiled.program.Eval(about)
	require.NoError(t, err, text)
	return time.Hour - about.meter.event
}

func TestStepsInALoopAreChargedAtEachTurn(t *testing.T) {
	const turns, terms, stepsOfATerm = 100, 10, 4 // the two sides, "==" and "&&"
	event := large("x", 10, turns)
	term := " && data.qos == 0"
	short := reckoned(t, `data.user_properties.all(p, true`+term+`)`, event)
	long := reckoned(t, `data.user_properties.all(p, true`+strings.Repeat(term, 1+terms)+`)`, event)
	require.Equal(t, turns*terms*stepsOfATerm*loopStep, long-short)

	before := strings.Repeat("true && ", terms)
	require.Equal(t, short, reckoned(t, before+`data.user_properties.all(p, true`+term+`)`, event), "what is in no loop is not")
	two := reckoned(t, `[data.qos, 1].all(p, true)`, event)
	three := reckoned(t, `[data.qos, data.qos, 1].all(p, true)`, event)
	require.Equal(t, 3*two, 2*three, "nor what a loop goes through")
}

func TestReckonedTimeIsWhatItTakes(t *testing.T) {
	for _, text := range []string{
		`data.user_properties.exists(p, p.name == "name" && p.value == "C")`,
		`data.user_properties.filter(p, p.name == "name").size() == 3`,
		`data.user_properties.map(p, p.value)[0] == "3"`,
		`data.user_properties.all(p, p.value.matches("^[0-9]+$"))`,
		`data.user_properties == data.user_properties.map(p, {"name": p.name, "value": p.value})`,
		`{"name": "name", "value": "x"} in data.user_properties`,
		`data.user_properties.exists(p, p == {"name": "name", "value": "x"})`,
		`data.user_properties.all(p, timestamp.getHours("Europe/Berlin") == 13)`,
		`data.user_properties.all(p, timestamp.getHours(p.name) == 13)`,
		`data.user_properties.all(p, timestamp.getHours("no/where") == 13)`,
		`data.topic.contains("aaaaaaa")`,
		`data.topic.contains("aaaaaaaaaaaaaaab")`,
		`data.topic.contains("` + strings.Repeat("a", 200) + `b")`,
		`data.topic.matches("[a-z]b")`,
		`data.topic.matches("(?:a?){48}b")`,
		`data.topic.split("").size() == 3`,
		`data.topic.lowerAscii() == "3"`,
		`data.topic.reverse() == "3"`,
		`data.topic.charAt(1) == "3"`,
		`strings.quote(data.topic) == "3"`,
		`data.topic + data.topic == "3"`,
		`size(data.topic) == 3`,
		`string(data.payload + data.payload) == "3"`,
		`timestamp(data.topic) == timestamp`,
		`int(data.topic) == 3`,
		`{"a": 1}[data.topic] == 1`,
		`data.topic in {"a": 1}`,
	} {
		compiled, err := new(compiler).compile(text, messages.Types())
		require.NoError(t, err, text)
		for _, fill := range []string{"a", "é", `"`} {
			about := subjectOf(large(fill, 16<<10, 300))
			about.ResolveName("data.user_properties")
			took := quickest(func() {
				about.meter = meter{event: time.Hour, expression: time.Hour}
				_, _, _ = compiled.program.Eval(about)
			})
			reckoned := time.Hour - about.meter.event
			require.NotZero(t, reckoned, text)
			require.Less(t, took, slowness*(reckoned+time.Microsecond), "%s of %s", text, fill)
		}
	}
}

func BenchmarkLargeEvents(b *testing.B) {
	searched, propertied := large("x", 260<<10, 0), large("x", 10, 8000)
	for name, asked := range map[string]struct {
		when  string
		event messages.Event
	}{
		"search":          {`string(data.payload).contains("needle")`, searched},
		"regex":           {`string(data.payload).matches("(?:x?){48}y")`, searched},
		"user properties": {`data.user_properties.exists(p, p.name == "unit" && p.value == "C")`, propertied},
		"something else":  {`data.qos == 1`, propertied},
	} {
		for _, endpoints := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, endpoints), func(b *testing.B) {
				matcher, event := asking(b, endpoints, asked.when), messages.NewEnvelope(asked.event)
				b.ReportAllocs()
				for b.Loop() {
					matcher.match(event)
				}
			})
		}
	}
}
