package messages_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

const published = `{"event_type":"message.published","event_id":"e-1","timestamp":"2026-02-05T12:00:00.000000000Z",` +
	`"broker_id":"broker-1","data":{"client_id":"c","topic":"a/b","qos":1,"retained":false,"payload_size":3,"payload":"AP94"}}`

func TestParseEnvelopeNamesWhatIsWrong(t *testing.T) {
	longText, longDigits := strings.Repeat("x", 10_000), strings.Repeat("7", 1_000_000)
	tooLong := strings.Repeat("x", messages.MaxTextBytes+1)
	tooManyProperties := strings.Repeat("{},", messages.MaxUserProperties) + "{}"
	tooLargeProperties := strings.Repeat(`{"name":"`+tooLong[1:]+`"},`, 4) + `{"value":"12345"}`
	for text, problem := range map[string]string{
		``:               "is no JSON: EOF",
		`{`:              "is no JSON: unexpected EOF",
		`x`:              "is no JSON: invalid character 'x' looking for beginning of value",
		"\"\xff\"":       "is no JSON: it is not valid UTF-8",
		`[]`:             "is a JSON array, not an object",
		`"text"`:         "is a JSON string, not an object",
		`5`:              "is a JSON number, not an object",
		`null`:           "is a JSON null, not an object",
		`{}`:             "event_type: is required",
		published + `{}`: "more follows the event's JSON object",
		published + `]`:  "more follows the event's JSON object",

		`{"event_type":null}`:                       "event_type: is required",
		`{"event_type":5}`:                          "event_type: can't be a JSON number",
		`{"event_type":"message.*"}`:                `event_type: is "message.*", which is no event type`,
		`{"event_type":"` + longText + `"}`:         `event_type: is "` + longText[:64] + `", which is no event type`,
		`{"event_type":"auth.success"}`:             "data: is required",
		`{"event_type":"auth.success","data":null}`: "data: is required",
		`{"event_type":"auth.success","data":[]}`:   "data: can't be a JSON array",
		`{"event_type":"auth.success","id":"x"}`:    "id: is not a field of this event",
		`{"` + longText + `":1}`:                    longText[:64] + ": is not a field of this event",

		with(`"event_id":""`):                           "event_id: must have 1 to 64 characters of A-Z a-z 0-9 _ -",
		with(`"event_id":"a b"`):                        "event_id: must have 1 to 64 characters of A-Z a-z 0-9 _ -",
		with(`"event_id":"a\n"`):                        "event_id: must have 1 to 64 characters of A-Z a-z 0-9 _ -",
		with(`"event_id":"` + longText[:65] + `"`):      "event_id: must have 1 to 64 characters of A-Z a-z 0-9 _ -",
		with(`"event_id":7`):                            "event_id: can't be a JSON number",
		with(`"timestamp":""`):                          `timestamp: is "", not a time by RFC 3339`,
		with(`"timestamp":"2026-02-05 12:00"`):          `timestamp: is "2026-02-05 12:00", not a time by RFC 3339`,
		with(`"timestamp":"0000-06-01T00:00:00Z"`):      `timestamp: is "0000-06-01T00:00:00Z", not a time by RFC 3339`,
		with(`"timestamp":"9999-12-31T23:30:00-01:00"`): `timestamp: is "9999-12-31T23:30:00-01:00", not a time by RFC 3339`,
		with(`"timestamp":1770292800`):                  "timestamp: can't be a JSON number",
		with(`"broker_id":[]`):                          "broker_id: can't be a JSON array",

		`{"event_type":"auth.success","event_type":"auth.success"}`: "event_type: is there twice",
		`{"Event_type":"auth.success"}`:                             "Event_type: is not a field of this event",
		`{"event_type":"auth.success","\u0064ata":{},"data":{}}`:    "data: is there twice",
		`{"data":{"x":[{}]},"Data":1}`:                              "Data: is not a field of this event",
		with(`"broker_id":"\u0000"`):                                "broker_id: holds U+0000",
		with(`"broker_id":"` + tooLong + `"`):                       "broker_id: has 65536 bytes, and MQTT allows 65535",

		data("client.connected", `"client_id":"c","client_id":"c"`):                           "data.client_id: is there twice",
		data("client.connected", `"client_id":"c","ClientID":"c"`):                            "data.ClientID: is not a field of this event",
		data("client.connected", `"client_id":"c","CLIENT_ID":"c"`):                           "data.CLIENT_ID: is not a field of this event",
		data("client.connected", `"client_id":"`+tooLong+`"`):                                 "data.client_id: has 65536 bytes, and MQTT allows 65535",
		data("client.connected", `"client_id":"c\u0000"`):                                     "data.client_id: holds U+0000",
		data("client.connected", `"client_id":"`+strings.Repeat(`\u0061`, 65536)+`"`):         "data.client_id: has at least 65536 bytes, and MQTT allows 65535",
		data("client.connected", `"client_id":"`+strings.Repeat(`\u0061`, 65535)+`b"`):        "data.client_id: has 65536 bytes, and MQTT allows 65535",
		data("client.connected", `"client_id":"c","protocol":"mqtt5","remote_addr":"\u0000"`): "data.remote_addr: holds U+0000",
		data("client.connected", `"client_id":"c","clean_start":1`):                           "data.clean_start: can't be a JSON number",
		data("client.connected", `"client_id":"c","keep_alive":true`):                         "data.keep_alive: can't be a JSON bool",
		data("auth.failure", `"reason":"\u0000"`):                                             "data.reason: holds U+0000",
		data("message.delivered", `"client_id":"c","topic":"a","qos":`+longDigits):            "data.qos: can't be a JSON number " + longDigits[:57],
		data("message.published", `"user_properties":[`+tooManyProperties+`]`):                "data.user_properties: are more than 1000",
		data("message.published", `"user_properties":[`+tooLargeProperties+`]`):               "data.user_properties: have more than 262144 bytes together",
		data("message.published", `"user_properties":[{"value":"`+tooLong+`"}]`):              "data.user_properties[0].value: has 65536 bytes, and MQTT allows 65535",
		data("message.published", `"user_properties":[{},{"name":"a","name":"b"}]`):           "data.user_properties[1].name: is there twice",
		data("message.published", `"user_properties":[{},null]`):                              "data.user_properties[1]: can't be a JSON null",
		data("message.published", `"user_properties":["a"]`):                                  "data.user_properties[0]: can't be a JSON string",
		data("message.published", `"payload":[1,2]`):                                          "data.payload: can't be a JSON array",

		data("client.connected", `"protocol":"mqtt5"`):                                                    "data.client_id: is required",
		data("client.connected", `"client_id":"c"`):                                                       `data.protocol: is "", not one of mqtt3, mqtt5`,
		data("client.connected", `"client_id":"c","keep_alive":65536`):                                    "data.keep_alive: can't be a JSON number 65536",
		data("client.disconnected", `"client_id":"c","reason":"gone"`):                                    `data.reason: is "gone", not one of normal, error, timeout, takeover`,
		data("client.session_takeover", ``):                                                               "data.client_id: is required",
		data("message.published", `"client_id":"c"`):                                                      "data.topic: is empty",
		data("message.published", `"client_id":"c","topic":"a/+"`):                                        "data.topic: is a topic name, which holds no wildcard",
		data("message.published", `"client_id":"c","topic":"a\u0000"`):                                    "data.topic: holds U+0000",
		data("message.published", `"client_id":"c","topic":"a","qos":3`):                                  "data.qos: is 3, not 0, 1 or 2",
		data("message.published", `"client_id":"c","topic":"a","qos":-1`):                                 "data.qos: can't be a JSON number -1",
		data("message.published", `"client_id":"c","topic":"a","payload":"***"`):                          "data.payload: is not base64 at its byte 0",
		data("message.published", `"client_id":"c","topic":"a","payload_size":-1`):                        "data.payload_size: is -1, less than 0",
		data("message.published", `"client_id":"c","topic":"a","payload_size":1,"payload":"AP94"`):        "data.payload_size: is 1, but the payload has 3 bytes",
		data("message.published", `"client_id":"c","topic":"a","content_type":"\u0000"`):                  "data.content_type: holds U+0000",
		data("message.published", `"client_id":"c","topic":"a","content_type":"`+tooLong+`"`):             "data.content_type: has 65536 bytes, and MQTT allows 65535",
		data("message.published", `"client_id":"c","topic":"a","content_type":1`):                         "data.content_type: can't be a JSON number",
		data("message.published", `"client_id":"c","topic":"a","user_properties":{"a":"b"}`):              "data.user_properties: can't be a JSON object",
		data("message.published", `"client_id":"c","topic":"a","user_properties":[{"name":1}]`):           "data.user_properties[0].name: can't be a JSON number",
		data("message.published", `"client_id":"c","topic":"a","user_properties":[{"key":"a"}]`):          "data.user_properties[0].key: is not a field of this event",
		data("message.published", `"client_id":"c","topic":"a","user_properties":[{},{"name":"\u0000"}]`): "data.user_properties[1].name: holds U+0000",
		data("message.published", `"client_id":"c","topic":"a","user_properties":[{"value":"\u0000"}]`):   "data.user_properties[0].value: holds U+0000",
		data("message.delivered", `"client_id":"c","topic":"a","payload":"AP94"`):                         "data.payload: is not a field of this event",
		data("message.delivered", `"client_id":"c","topic":"a","payload_size":1.5`):                       "data.payload_size: can't be a JSON number 1.5",
		data("message.retained", `"topic":"a","cleared":"yes"`):                                           "data.cleared: can't be a JSON string",
		data("subscription.created", `"client_id":"c","topic_filter":"a/#/b"`):                            `data.topic_filter: has a "#" that is not the whole of its last level`,
		data("subscription.created", `"client_id":"c","topic_filter":"$share/g/"`):                        "data.topic_filter: is no shared subscription: $share/GROUP/FILTER",
		data("subscription.created", `"client_id":"c","topic_filter":"$share/+/a"`):                       "data.topic_filter: is no shared subscription: $share/GROUP/FILTER",
		data("subscription.created", `"client_id":"c","topic_filter":"$share/g\u0000/a"`):                 "data.topic_filter: holds U+0000",
		data("subscription.created", `"client_id":"c","topic_filter":"a","subscription_id":268435456`):    "data.subscription_id: is 268435456, not 0 to 268,435,455",
		data("subscription.removed", `"client_id":"c"`):                                                   "data.topic_filter: is empty",
		data("client.disconnected", `"reason":"normal"`):                                                  "data.client_id: is required",
		data("message.published", `"topic":"a"`):                                                          "data.client_id: is required",
		data("message.published", `"client_id":"c","topic":"a","payload_size":2,"payload":"AA=="`):        "data.payload_size: is 2, but the payload has 1 bytes",
		data("message.delivered", `"topic":"a"`):                                                          "data.client_id: is required",
		data("message.delivered", `"client_id":"c","topic":"a/#"`):                                        "data.topic: is a topic name, which holds no wildcard",
		data("message.delivered", `"client_id":"c","topic":"a","qos":3`):                                  "data.qos: is 3, not 0, 1 or 2",
		data("message.delivered", `"client_id":"c","topic":"a","payload_size":-1`):                        "data.payload_size: is -1, less than 0",
		data("message.retained", ``):                                                                      "data.topic: is empty",
		data("message.retained", `"topic":"a","payload_size":-1`):                                         "data.payload_size: is -1, less than 0",
		data("subscription.created", `"topic_filter":"a"`):                                                "data.client_id: is required",
		data("subscription.created", `"client_id":"c","topic_filter":"a","qos":3`):                        "data.qos: is 3, not 0, 1 or 2",
		data("subscription.created", `"client_id":"c","topic_filter":"a","subscription_id":-1`):           "data.subscription_id: is -1, not 0 to 268,435,455",
		data("subscription.removed", `"topic_filter":"a"`):                                                "data.client_id: is required",
		data("authz.publish_denied", `"topic":"a"`):                                                       "data.client_id: is required",
		data("authz.subscribe_denied", `"topic_filter":"a"`):                                              "data.client_id: is required",
		data("auth.success", ``):                                    "data.client_id: is required",
		data("authz.publish_denied", `"client_id":"c","topic":"#"`): "data.topic: is a topic name, which holds no wildcard",
		data("authz.subscribe_denied", `"client_id":"c"`):           "data.topic_filter: is empty",
	} {
		_, err := messages.ParseEnvelope([]byte(text))
		require.EqualError(t, err, problem, "%.200s", text)
		if field, _, named := strings.Cut(problem, ": "); named && !strings.Contains(field, " ") {
			var fieldError *messages.FieldError
			require.True(t, errors.As(err, &fieldError), problem)
			require.Equal(t, field, fieldError.Field)
		}
	}
}

func TestParseEnvelopeTakesWhatABrokerMaySay(t *testing.T) {
	for _, text := range []string{
		data("auth.failure", ``),
		data("subscription.created", `"client_id":"c","topic_filter":"$share/g/a/#"`),
		data("subscription.created", `"client_id":"c","topic_filter":"a","subscription_id":268435455`),
		data("authz.subscribe_denied", `"client_id":"c","topic_filter":"a/#/b"`),
		data("message.published", `"client_id":"c","topic":"a","content_type":"","user_properties":[]`),
		data("message.published", `"client_id":"c","topic":"a","content_type":null,"user_properties":null`),
		data("message.published", `"client_id":"c","topic":"a","user_properties":[{"name":"n"},{"name":"n","value":"v"},{}]`),
		data("message.published", `"client_id":"c","topic":"a","user_properties":[`+strings.Repeat("{},", messages.MaxUserProperties-1)+`{}]`),
		data("message.published", `"client_id":"c","topic":"a","user_properties":[`+
			strings.Repeat(`{"name":"`+strings.Repeat("x", messages.MaxTextBytes)+`"},`, 4)+`{"name":"12","value":"34"}]`),
		data("message.published", `"client_id":"c","topic":"a","payload":"AP94","payload_size":3`),
		data("message.published", `"client_id":"c","topic":"a","payload":"\/\u002F8="`),
		data("auth.success", `"client_id":"`+strings.Repeat(`\u0061`, messages.MaxTextBytes)+`"`),
		data("auth.success", `"\u0063lient_id":"c"`),
		"{ \"event_type\" : \"auth.success\" ,\n\t\"data\" :\r\n{ \"client_id\" : \"c\" , \"remote_addr\" : null } }",
		with(`"event_id":"` + strings.Repeat("x", messages.MaxEventIDBytes) + `"`),
		with(`"broker_id":"` + strings.Repeat("x", messages.MaxTextBytes) + `"`),
		with(`"timestamp":"9999-12-31T23:59:59.999999999Z"`),
		" \n" + published + "\r\n",
	} {
		_, err := messages.ParseEnvelope([]byte(text))
		require.NoError(t, err, text)
	}
}

func TestParseEnvelopeKeepsTheIdentity(t *testing.T) {
	envelope, err := messages.ParseEnvelope([]byte(with(`"event_id":"e-1","timestamp":"2026-02-05T14:00:00.5+02:00","broker_id":"b"`)))
	require.NoError(t, err)
	require.Equal(t, "e-1", envelope.ID)
	require.Equal(t, noon.Add(500*time.Millisecond), envelope.Timestamp)
	require.Equal(t, "b", envelope.BrokerID)
}

func TestParseEnvelopeLeavesOutWhatIsNotGiven(t *testing.T) {
	envelope, err := messages.ParseEnvelope([]byte(with(`"event_id":null,"timestamp":null,"broker_id":null`)))
	require.NoError(t, err)
	require.Empty(t, envelope.ID)
	require.Zero(t, envelope.Timestamp)
	require.Empty(t, envelope.BrokerID)
}

func TestBodyParsesToTheSameBody(t *testing.T) {
	envelope, err := messages.ParseEnvelope([]byte(published))
	require.NoError(t, err)
	require.NoError(t, envelope.Admit(messages.Admission{IncludePayload: true, MaxPayloadBytes: 3}, time.Now()))
	require.Equal(t, published, body(envelope))
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(published))
	f.Add([]byte(with(`"timestamp":"2026-02-05T14:00:00.5+02:00"`)))
	f.Add([]byte(data("subscription.created", `"client_id":"\ud800","topic_filter":"$share/g/a/#","subscription_id":1`)))
	f.Add([]byte(data("client.connected", `"client_id":"c","protocol":"mqtt3","keep_alive":65535`)))
	f.Add([]byte(data("message.published", `"client_id":"c","topic":"a","payload":"***"`)))
	f.Add([]byte(data("message.published", `"client_id":"c","topic":"a","payload":"","content_type":"a/b"`)))
	f.Add([]byte(data("message.published", `"client_id":"c","topic":"a","payload_omitted":true,"user_properties":[{"name":"n","value":"\u2028"},{}]`)))
	f.Add([]byte(`{"event_type":"auth.failure","data":{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		envelope, err := messages.ParseEnvelope(text)
		if err != nil {
			require.Nil(t, envelope)
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.NoError(t, envelope.Admit(withPayloads, noon))
		first := body(envelope)
		require.GreaterOrEqual(t, envelope.Size(), len(first))

		again, err := messages.ParseEnvelope([]byte(first))
		require.NoError(t, err, first)
		require.Equal(t, envelope.ID, again.ID)
		require.Equal(t, envelope.RoutingTopic(), again.RoutingTopic())
		require.NoError(t, again.Admit(withPayloads, noon))
		require.Equal(t, first, body(again))
	})
}

// with is an event with these fields beside event_type and data.
func with(fields string) string {
	return `{"event_type":"auth.success","data":{"client_id":"c"},` + fields + `}`
}

// data is an event of the type with these fields in data.
func data(eventType, fields string) string {
	return `{"event_type":"` + eventType + `","data":{` + fields + `}}`
}
