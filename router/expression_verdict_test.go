package router

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fluxmq/webhookd/messages"
)

// plainVerdict is what CEL by itself makes of the expression and the event, whatever it takes.
func plainVerdict(t *rapid.T, text string, event messages.Event) (bool, error) {
	env, err := new(compiler).environment(messages.Types())
	require.NoError(t, err)
	ast, issues := env.Compile(text)
	require.NoError(t, issues.Err(), text)
	program, err := env.Program(ast)
	require.NoError(t, err)
	variables := map[string]any{
		"event_type": event.EventType().String(), "event_id": "e-1", "broker_id": "b",
		"timestamp": time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC),
	}
	for name, field := range fieldsByName[0] {
		variables[dataPrefix+name] = reflect.Zero(field.Kind).Interface()
	}
	for _, field := range messages.Fields(event.EventType()) {
		variables[dataPrefix+field.Name] = field.Of(event)
	}
	for name, value := range variables {
		switch value := value.(type) {
		case byte:
			variables[name] = int(value)
		case uint16:
			variables[name] = int(value)
		case []messages.UserProperty:
			list := []map[string]string{}
			for _, property := range value {
				list = append(list, map[string]string{"name": property.Name, "value": property.Value})
			}
			variables[name] = list
		}
	}
	result, _, err := program.Eval(variables)
	if err != nil {
		return false, explainFailure(err)
	}
	return result == types.True, nil
}

// expressions draws expressions of every kind that has a step of its own: loops, searches, conversions, time zones, and
// values that are compared, taken apart and passed on.
func expressions() *rapid.Generator[string] {
	text := rapid.SampledFrom([]string{
		`data.topic`, `data.client_id`, `string(data.payload)`, `(data.qos == 1 ? string(data.payload) : data.topic)`,
		`string(bytes(data.topic))`, `data.topic.upperAscii()`, `(data.topic + data.client_id)`, `data.topic.split("a")[0]`,
		`data.user_properties[0].name`, `data.user_properties[data.qos]["value"]`, `{"a": "b", "b": "a"}[data.topic]`,
		`{"a": "b"}[data.topic + ""]`, `[data.topic, "a"][data.qos]`, `string(data.payload).substring(1)`, `"a"`, `"aaaaaaaab"`, `""`, `string(1)`,
		`data.user_properties.map(p, p.name + p.value)[0]`, `data.user_properties[0].other`, `event_type`, `{"b": {"b": data.topic}}["b"][data.topic]`,
	})
	list := rapid.SampledFrom([]string{
		`data.user_properties`, `data.user_properties.filter(p, p.name == "a")`, `(data.user_properties + data.user_properties)`,
		`[{"name": "a", "value": "b"}]`, `[{"name": data.topic, "value": data.client_id}]`, `[{"name": "a"}]`,
		`data.user_properties.map(p, {"name": p.name, "value": p.value})`,
	})
	number := rapid.SampledFrom([]string{
		`data.qos`, `1`, `size(data.payload)`, `size(data.topic)`, `data.user_properties.size()`, `int(data.topic)`, `timestamp.getHours()`,
		`timestamp.getHours("Europe/Berlin")`, `timestamp.getHours(data.topic)`, `timestamp.getHours("+02:00")`, `timestamp.getHours("no/where")`,
		`timestamp.getDayOfWeek("Asia/Tokyo")`, `duration("3h").getHours()`, `timestamp.getMinutes("UTC")`, `(1 / data.qos)`,
	})
	ofProperty := rapid.SampledFrom([]string{
		`p.name == "a"`, `p["value"] == p.name`, `"name" in p`, `"other" in p`, `p == {"name": "a", "value": "b"}`, `{"value": "b", "name": "a"} == p`,
		`size(p) == 2`, `p.exists(k, k == "name")`, `p.all(k, p[k] == "a")`, `p.other == "a"`, `p.value.contains(p.name)`, `has(p.name)`, `has(p.other)`,
		`type(p) == map`, `p in data.user_properties`, `p.value.matches("^a+$")`, `data.user_properties.exists_one(q, q == p)`, `p != {"name": "a"}`,
		`p.map(k, p[k]).size() == 2`, `p == dyn(1)`, `dyn(p)[1] == "a"`, `p.name.startsWith(p.value)`, `p == {"name": "a", "other": "b"}`, `dyn(p) == dyn([p])`,
	})
	atom := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			relation := rapid.SampledFrom([]string{" == ", " != ", " < ", " >= "}).Draw(t, "relation")
			return text.Draw(t, "left") + relation + text.Draw(t, "right")
		case 1:
			call := rapid.SampledFrom([]string{".contains(", ".startsWith(", ".endsWith("}).Draw(t, "call")
			return text.Draw(t, "text") + call + text.Draw(t, "needle") + ")"
		case 2:
			regex := rapid.SampledFrom([]string{`"^a+b?$"`, `"b"`, `"(a|b)*é"`, `""`}).Draw(t, "regex")
			return text.Draw(t, "text") + `.matches(` + regex + `)`
		case 3:
			loop := rapid.SampledFrom([]string{".all(p, ", ".exists(p, ", ".exists_one(p, "}).Draw(t, "loop")
			return list.Draw(t, "list") + loop + ofProperty.Draw(t, "of a property") + ")"
		case 4:
			relation := rapid.SampledFrom([]string{" == ", " != "}).Draw(t, "relation")
			return list.Draw(t, "left") + relation + list.Draw(t, "right")
		}
		return number.Draw(t, "left") + rapid.SampledFrom([]string{" == ", " < "}).Draw(t, "relation") + number.Draw(t, "right")
	})
	return rapid.Custom(func(t *rapid.T) string {
		whole := "(" + atom.Draw(t, "atom") + ")"
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			next := "(" + atom.Draw(t, "atom") + ")"
			switch rapid.IntRange(0, 3).Draw(t, "operator") {
			case 0:
				whole += " && " + next
			case 1:
				whole += " || " + next
			case 2:
				whole = "!" + whole + " ? " + next + " : " + whole
			default:
				whole = whole + " == " + next
			}
			whole = "(" + whole + ")"
		}
		return whole
	})
}

func TestVerdictsAreThoseOfPlainCEL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"", "a", "b", "aab", "é", "Asia/Tokyo", "12", strings.Repeat("a", 30) + "b"})
		event := &messages.MessagePublished{
			ClientID: word.Draw(t, "client id"), Topic: word.Draw(t, "topic"), QoS: byte(rapid.IntRange(0, 2).Draw(t, "qos")),
			Payload: []byte(rapid.SampledFrom([]string{"", "a", "aab", "\xff", "é"}).Draw(t, "payload")),
		}
		for range rapid.IntRange(0, 4).Draw(t, "user properties") {
			event.UserProperties = append(event.UserProperties, messages.UserProperty{Name: word.Draw(t, "name"), Value: word.Draw(t, "value")})
		}
		text := expressions().Draw(t, "expression")
		want, wantErr := plainVerdict(t, text, event)
		compiled, err := new(compiler).compile(text, messages.Types())
		require.NoError(t, err, text)
		about := subjectOf(event)
		for range 2 { // the second time with what the first has made
			got, err := compiled.holds(about)
			require.Equal(t, want, got, text)
			require.Equal(t, wantErr, err, text)
		}
	})
}

func TestContainsFindsWhatStringsContainsFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aab")), 0, 60, -1).Draw(t, "text")
		needle := rapid.StringOfN(rapid.SampledFrom([]rune("aab")), 0, 14, -1).Draw(t, "needle")
		m := newMeter(1)
		m.begin()
		require.Equal(t, strings.Contains(text, needle), contains(&m, text, needle))
	})
}
