package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

// samples are an event of each type.
func samples(t testing.TB) []messages.Event {
	t.Helper()
	return events.OfEveryType(t,
		&messages.ClientConnected{ClientID: "c-1", Protocol: "mqtt5", CleanStart: true, KeepAlive: 60, RemoteAddr: "192.0.2.1:5000"},
		&messages.ClientDisconnected{ClientID: "c-1", Reason: "timeout", RemoteAddr: "192.0.2.1:5000"},
		&messages.ClientSessionTakeover{ClientID: "c-1", FromNode: "n1", ToNode: "n2"},
		&messages.MessagePublished{
			ClientID: "c-1", Topic: "site/1/temperature", QoS: 2, Retained: true, PayloadSize: 14, Payload: []byte(`{"celsius":21}`),
			ContentType:    "application/json",
			UserProperties: []messages.UserProperty{{Name: "unit", Value: "C"}, {Name: "unit", Value: "K"}},
		},
		&messages.MessageDelivered{ClientID: "c-1", Topic: "site/1/temperature", QoS: 1, PayloadSize: 14},
		&messages.MessageRetained{Topic: "site/1/temperature", PayloadSize: 14, Cleared: true},
		&messages.SubscriptionCreated{ClientID: "c-1", TopicFilter: "site/#", QoS: 1, SubscriptionID: 7},
		&messages.SubscriptionRemoved{ClientID: "c-1", TopicFilter: "site/#"},
		&messages.AuthSuccess{ClientID: "c-1", RemoteAddr: "192.0.2.1:5000"},
		&messages.AuthFailure{ClientID: "c-1", Reason: "bad password", RemoteAddr: "192.0.2.1:5000"},
		&messages.AuthzPublishDenied{ClientID: "c-1", Topic: "site/1/temperature", Reason: "no rule"},
		&messages.AuthzSubscribeDenied{ClientID: "c-1", TopicFilter: "site/#", Reason: "no rule"},
	)
}

func TestExpressionSelectsEventsOfEveryType(t *testing.T) {
	const all = 1<<messages.TypeCount - 1
	for text, want := range map[string]int{ // a bit for each type, client.connected the lowest
		`true`:                                  all,
		`false`:                                 0,
		`event_type == "message.published"`:     1 << 3,
		`event_type.startsWith("authz.")`:       1<<10 | 1<<11,
		`event_id == "e-1" && broker_id == "b"`: all,
		`timestamp < timestamp("2026-02-05T12:00:01Z") && timestamp.getHours() == 12`: all,
		`data.client_id == "c-1"`: all &^ (1 << 5),
		`data.client_id == ""`:    1 << 5,
		`data.protocol == "mqtt5" && data.clean_start && data.keep_alive == 60`:                 1,
		`data.remote_addr.startsWith("192.0.2.")`:                                               1 | 1<<1 | 1<<8 | 1<<9,
		`data.reason == "timeout"`:                                                              1 << 1,
		`data.reason in ["bad password", "no rule"]`:                                            1<<9 | 1<<10 | 1<<11,
		`data.from_node != data.to_node`:                                                        1 << 2,
		`data.topic.endsWith("/temperature")`:                                                   1<<3 | 1<<4 | 1<<5 | 1<<10,
		`data.topic != "" && data.topic.split("/")[1] == "1"`:                                   1<<3 | 1<<4 | 1<<5 | 1<<10,
		`!data.client_id.matches("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")`:                all,
		`data.topic.matches("^site/[0-9]+/")`:                                                   1<<3 | 1<<4 | 1<<5 | 1<<10,
		`data.topic_filter == "site/#"`:                                                         1<<6 | 1<<7 | 1<<11,
		`data.qos > 0`:                                                                          1<<3 | 1<<4 | 1<<6,
		`data.retained || data.cleared`:                                                         1<<3 | 1<<5,
		`data.payload_size > 10`:                                                                1<<3 | 1<<4 | 1<<5,
		`string(data.payload).contains("celsius")`:                                              1 << 3,
		`data.payload == b'{"celsius":21}'`:                                                     1 << 3,
		`size(data.payload) == data.payload_size`:                                               all &^ (1<<4 | 1<<5),
		`data.content_type == "application/json" && !data.payload_omitted`:                      1 << 3,
		`data.user_properties.exists(p, p.name == "unit" && p.value == "K")`:                    1 << 3,
		`size(data.user_properties) == 2 && data.user_properties[0] != data.user_properties[1]`: 1 << 3,
		`data.subscription_id == 7`:                                                             1 << 6,
		`data.client_id.upperAscii().charAt(0) == "C"`:                                          all &^ (1 << 5),
	} {
		got := 0
		compiled, err := new(compiler).compile(text, messages.Types())
		require.NoError(t, err, text)
		for i, event := range samples(t) {
			selected, err := compiled.holds(subjectOf(event))
			require.NoError(t, err, "%s %s", text, event.EventType())
			if selected {
				got |= 1 << i
			}
		}
		require.Equal(t, fmt.Sprintf("%b", want), fmt.Sprintf("%b", got), text)
	}
}

func TestEveryFieldIsAVariableOfItsType(t *testing.T) {
	for _, eventType := range messages.Types() {
		for _, field := range messages.Fields(eventType) {
			compiled, err := new(compiler).compile("data."+field.Name+" == data."+field.Name, []messages.Type{eventType})
			require.NoError(t, err, "%s %s", eventType, field.Name)
			for _, event := range samples(t) {
				holds, err := compiled.holds(subjectOf(event))
				require.NoError(t, err)
				require.True(t, holds)
			}
		}
	}
}

func TestExpressionThatCanNotBeMeantIsAnErrorOfItsPlace(t *testing.T) {
	published := []messages.Type{messages.TypeMessagePublished}
	for text, problem := range map[string]string{
		`data.qos ==`: `is no valid expression at its line 1, column 12: Syntax error: mismatched input '<EOF>' expecting ` +
			`{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`,
		" \n":                                     `is no valid expression at its line 2, column 1: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`,
		`data.qos == "1"`:                         `is no valid expression at its line 1, column 10: found no matching overload for '_==_' applied to '(int, string)'`,
		"data.qos == 1 &&\n  data.topic == 5":     `is no valid expression at its line 2, column 14: found no matching overload for '_==_' applied to '(string, int)'`,
		`topic == "a"`:                            `is no valid expression at its line 1, column 1: undeclared reference to 'topic'`,
		`data.qos == 1 && data.topc == "a"`:       `is no valid expression at its line 1, column 18: data.topc is no field of the endpoint's events, which have client_id, topic, qos, retained, payload_size, payload, payload_omitted, content_type, user_properties`,
		`data.reason == "a"`:                      `is no valid expression at its line 1, column 1: data.reason is no field of the endpoint's events, which have client_id, topic, qos, retained, payload_size, payload, payload_omitted, content_type, user_properties`,
		`"é" == "é" && data.reason == ""`:         `is no valid expression at its line 1, column 15: data.reason is no field of the endpoint's events, which have client_id, topic, qos, retained, payload_size, payload, payload_omitted, content_type, user_properties`,
		`has(data.topic)`:                         `is no valid expression at its line 1, column 5: data stands before a field only, as in data.client_id, and not in has(), because every field is there`,
		`data == 1`:                               `is no valid expression at its line 1, column 1: data stands before a field only, as in data.client_id, and not in has(), because every field is there`,
		`data.topic`:                              `is of type string, and has to be true or false: compare it with something`,
		`dyn(data.topic)`:                         `is of type dyn, and has to be true or false: compare it with something`,
		`data.topic.matches("(")`:                 `is no valid expression at its line 1, column 20: error parsing regexp: missing closing ): ` + "`(`",
		`data.topic.matches("a{300}b{300}")`:      `is no valid expression at its line 1, column 20: the regular expression is too large: repeat less, or use startsWith, endsWith and contains`,
		`matches(data.topic, data.client_id)`:     `is no valid expression at its line 1, column 25: a regular expression has to be a text in quotation marks`,
		`timestamp > timestamp("noon")`:           `is no valid expression at its line 1, column 23: invalid timestamp argument`,
		`data.topic.replace("a", "aa") == ""`:     `is no valid expression at its line 1, column 19: undeclared reference to 'replace'`,
		`["a"].join("b") == ""`:                   `is no valid expression at its line 1, column 11: undeclared reference to 'join'`,
		`"a".indexOf("a") == 0`:                   `is no valid expression at its line 1, column 12: undeclared reference to 'indexOf'`,
		`"a".lastIndexOf("a") == 0`:               `is no valid expression at its line 1, column 16: undeclared reference to 'lastIndexOf'`,
		`"%s".format([1]) == ""`:                  `is no valid expression at its line 1, column 12: undeclared reference to 'format'`,
		strings.Repeat("(", 60) + "true":          `is no expression that can be used: expression recursion limit exceeded: 50`,
		`"` + strings.Repeat("x", 5000) + `"==""`: `is no expression that can be used: expression code point size exceeds limit: size: 5006, limit 4096`,
	} {
		_, err := new(compiler).compile(text, published)
		require.EqualError(t, err, problem, "%.100s", text)
	}
}

func TestErrorOfAnExpressionIsOneShortLine(t *testing.T) {
	for _, text := range []string{
		"\x00", "\xff", "'a\nb", strings.Repeat("x", 4000), "data." + strings.Repeat("x", 3000) + " == 1",
		`"` + strings.Repeat("é", 2000), strings.Repeat("[", 40) + "1", "a.b.c(\r\n\u2028)", strings.Repeat("data.qos ", 400),
	} {
		_, err := new(compiler).compile(text, messages.Types())
		require.Error(t, err)
		require.Less(t, len(err.Error()), 600)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestLongListOfAlternativesIsAnExpression(t *testing.T) {
	compiled, err := new(compiler).compile(strings.Repeat(`data.topic == "a" || `, 150)+`data.topic == "b"`, messages.Types())
	require.NoError(t, err)
	holds, err := compiled.holds(subjectOf(&messages.MessageRetained{Topic: "b"}))
	require.NoError(t, err)
	require.True(t, holds)
}

func TestFailureOfAnExpressionShowsNothingOfTheEvent(t *testing.T) {
	event := subjectOf(&messages.MessagePublished{ClientID: "secret{30}{30}", Topic: "t", Payload: []byte("secret\xff")})
	for text, problem := range map[string]string{
		`timestamp(data.client_id) == timestamp`:     "invalid RFC 3339 timestamp",
		`int(data.client_id) == 1`:                   "type conversion error from 'string' to 'int'",
		`string(data.payload) == "x"`:                "invalid UTF-8 in bytes, cannot convert to string",
		`data.user_properties[0].name == "x"`:        "index out of bounds",
		`{"a": "b"}[data.client_id] == "b"`:          "no such key",
		`1 / data.qos == 1`:                          "division by zero",
		`data.topic.charAt(9) == "x"`:                "index out of range",
		`duration(data.client_id) == duration("1s")`: "type conversion error from 'string' to 'google.protobuf.Duration'",
		`timestamp.getHours(data.client_id) == 1`:    "unknown time zone",
	} {
		compiled, err := new(compiler).compile(text, messages.Types())
		require.NoError(t, err, text)
		holds, err := compiled.holds(event)
		require.EqualError(t, err, problem, text)
		require.False(t, holds)
	}
}

func TestCostlyExpressionEndsSoon(t *testing.T) {
	digits := `[0,1,2,3,4,5,6,7,8,9]`
	bomb := `true`
	for _, v := range "abcdefghij" {
		bomb = fmt.Sprintf(`%s.all(%c, %s)`, digits, v, bomb)
	}
	event := subjectOf(&messages.MessagePublished{
		Topic: strings.Repeat("a", messages.MaxTopicBytes), Payload: []byte(strings.Repeat("a", 256<<10)),
	})
	doubled := `data.topic`
	for range 8 {
		doubled = fmt.Sprintf(`[%s].map(x, x + x)[0]`, doubled)
	}
	nested := `[1]`
	for range 16 {
		nested = fmt.Sprintf(`[%s].map(x, [x, x])[0]`, nested)
	}
	for _, text := range []string{
		bomb,
		doubled + ` == ""`,
		nested + ` == ` + nested + ` && false`,
		nested + ` in [` + nested + `] && false`,
		digits + `.all(x, ` + digits + `.all(y, data.topic == string(data.payload).substring(x * y) || size(data.topic) > 0)) && false`,
		digits + `.all(x, {"a": true}[string(data.payload) + string(data.payload)])`,
		digits + `.all(x, (x < 5 ? bytes(data.topic) : data.payload) + data.payload != b"") && false`,
		`[1].all(x, ` + digits + `.all(y, ` + digits + `.all(z, size(string(data.payload)) > 0)))`,
		digits + `.all(x, data.topic.lowerAscii().upperAscii().lowerAscii() != "x" && data.topic.split("").size() > 0)`,
		`string(data.payload).matches("[a-z]b") || string(data.payload).matches("[a-z]c")`,
		`string(data.payload).split("").exists(c, c == "b")`,
	} {
		compiled, err := new(compiler).compile(text, messages.Types())
		require.NoError(t, err, text)
		began := time.Now()
		holds, err := compiled.holds(event)
		t.Logf("%v %.60s", time.Since(began), text)
		require.False(t, holds)
		require.ErrorIs(t, err, errTooCostly, text)
		require.Less(t, time.Since(began), 100*time.Millisecond)
	}
}

func TestSearchThroughALargePayloadIsNotTooCostly(t *testing.T) {
	compiled, err := new(compiler).compile(`string(data.payload).contains("needle")`, messages.Types())
	require.NoError(t, err)
	holds, err := compiled.holds(subjectOf(&messages.MessagePublished{Payload: []byte(strings.Repeat("x", int(config.Default().Webhook.MaxPayloadBytes)))}))
	require.NoError(t, err)
	require.False(t, holds)
}

func TestPanicOfAnExpressionIsAFailure(t *testing.T) {
	compiled, err := new(compiler).compile(`data.qos == 1`, messages.Types())
	require.NoError(t, err)
	holds, err := compiled.holds(&subject{}) // has no event
	require.EqualError(t, err, "internal error")
	require.False(t, holds)
}

func FuzzExpression(f *testing.F) {
	f.Add(`data.topic.startsWith("a") && data.user_properties.exists(p, p.name == "b")`)
	f.Add(`[1,2].all(x, x > 0) ? data.qos == 1 : timestamp.getHours() < 5`)
	f.Add("data.\ntopc == has(data.x)")
	f.Add(`{"a": [{"b": "c"}]}[data.topic + "a"][data.qos]["b"] == string(data.payload).split(data.topic)[0]`)
	f.Add(`[[1], [2]][data.qos > 0 ? 0 : 1][{"a": 0}[string(data.payload)]] in [1] ? timestamp.getHours("UTC") == 1 : [data.topic][0].contains("a")`)
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := new(compiler).compile(text, messages.Types())
		if err != nil {
			require.Less(t, len(err.Error()), 700)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "decoration", "steps can be replaced in any expression")
			return
		}
		for _, event := range samples(t) {
			if holds, err := compiled.holds(subjectOf(event)); err != nil {
				require.False(t, holds)
				require.Less(t, len(err.Error()), 400)
			}
		}
	})
}

func subjectOf(event messages.Event) *subject {
	return &subject{
		id: "e-1", timestamp: time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC), brokerID: "b", event: event, meter: newMeter(1),
	}
}
