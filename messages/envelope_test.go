package messages_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

var noon = time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)

// withPayloads takes everything as it is.
var withPayloads = messages.Admission{BrokerID: "broker-1", IncludePayload: true, MaxPayloadBytes: 1 << 30}

func TestBodyHasExactlyTheFieldsOfItsType(t *testing.T) {
	var seen []messages.Event
	for _, c := range []struct {
		event     messages.Event
		eventType string
		topic     string
		data      string
	}{
		{
			&messages.ClientConnected{ClientID: "c", Protocol: messages.ProtocolMQTT5, CleanStart: true, KeepAlive: 60, RemoteAddr: "192.0.2.1:50000"},
			"client.connected", "",
			`{"client_id":"c","protocol":"mqtt5","clean_start":true,"keep_alive":60,"remote_addr":"192.0.2.1:50000"}`,
		},
		{
			&messages.ClientDisconnected{ClientID: "c", Reason: messages.ReasonTimeout, RemoteAddr: "192.0.2.1:50000"},
			"client.disconnected", "",
			`{"client_id":"c","reason":"timeout","remote_addr":"192.0.2.1:50000"}`,
		},
		{
			&messages.ClientSessionTakeover{ClientID: "c", FromNode: "n1", ToNode: "n2"},
			"client.session_takeover", "",
			`{"client_id":"c","from_node":"n1","to_node":"n2"}`,
		},
		{
			&messages.MessagePublished{ClientID: "c", Topic: "a/b", QoS: 1, Retained: true, Payload: []byte{0, 0xff, 'x'}},
			"message.published", "a/b",
			`{"client_id":"c","topic":"a/b","qos":1,"retained":true,"payload_size":3,"payload":"AP94"}`,
		},
		{
			&messages.MessagePublished{ClientID: "c", Topic: "a/b", PayloadSize: 256},
			"message.published", "a/b",
			`{"client_id":"c","topic":"a/b","qos":0,"retained":false,"payload_size":256}`,
		},
		{
			&messages.MessagePublished{
				ClientID: "c", Topic: "a/b", Payload: []byte("{}"), ContentType: "application/json",
				UserProperties: []messages.UserProperty{{Name: "unit", Value: "°C"}, {Name: "unit", Value: "\"K\""}, {}},
			},
			"message.published", "a/b",
			`{"client_id":"c","topic":"a/b","qos":0,"retained":false,"payload_size":2,"payload":"e30=",` +
				`"content_type":"application/json","user_properties":[{"name":"unit","value":"°C"},` +
				`{"name":"unit","value":"\"K\""},{"name":"","value":""}]}`,
		},
		{
			&messages.MessageDelivered{ClientID: "c", Topic: "a/b", QoS: 2, PayloadSize: 3},
			"message.delivered", "a/b",
			`{"client_id":"c","topic":"a/b","qos":2,"payload_size":3}`,
		},
		{
			&messages.MessageRetained{Topic: "a/b", PayloadSize: 3, Cleared: true},
			"message.retained", "a/b",
			`{"topic":"a/b","payload_size":3,"cleared":true}`,
		},
		{
			&messages.SubscriptionCreated{ClientID: "c", TopicFilter: "$share/g/a/+", QoS: 1, SubscriptionID: 7},
			"subscription.created", "a/+",
			`{"client_id":"c","topic_filter":"$share/g/a/+","qos":1,"subscription_id":7}`,
		},
		{
			&messages.SubscriptionCreated{ClientID: "c", TopicFilter: "a/#"},
			"subscription.created", "a/#",
			`{"client_id":"c","topic_filter":"a/#","qos":0}`,
		},
		{
			&messages.SubscriptionRemoved{ClientID: "c", TopicFilter: "$share/g//a"},
			"subscription.removed", "/a",
			`{"client_id":"c","topic_filter":"$share/g//a"}`,
		},
		{
			&messages.AuthSuccess{ClientID: "c", RemoteAddr: "192.0.2.1:50000"},
			"auth.success", "",
			`{"client_id":"c","remote_addr":"192.0.2.1:50000"}`,
		},
		{
			&messages.AuthFailure{Reason: "bad password", RemoteAddr: "192.0.2.1:50000"},
			"auth.failure", "",
			`{"client_id":"","reason":"bad password","remote_addr":"192.0.2.1:50000"}`,
		},
		{
			&messages.AuthzPublishDenied{ClientID: "c", Topic: "a/b", Reason: "<no rule> & more"},
			"authz.publish_denied", "a/b",
			`{"client_id":"c","topic":"a/b","reason":"<no rule> & more"}`,
		},
		{
			&messages.AuthzSubscribeDenied{ClientID: "c", TopicFilter: "$share/g/a", Reason: "no rule"},
			"authz.subscribe_denied", "a",
			`{"client_id":"c","topic_filter":"$share/g/a","reason":"no rule"}`,
		},
	} {
		envelope := messages.NewEnvelope(c.event)
		envelope.ID = "550e8400-e29b-41d4-a716-446655440000"
		require.NoError(t, envelope.Admit(withPayloads, noon))
		require.Equal(t, c.eventType, envelope.Type().String())
		require.Equal(t, c.topic, envelope.RoutingTopic())
		require.Equal(t, `{"event_type":"`+c.eventType+`","event_id":"550e8400-e29b-41d4-a716-446655440000",`+
			`"timestamp":"2026-02-05T12:00:00.000000000Z","broker_id":"broker-1","data":`+c.data+`}`, body(envelope))
		seen = append(seen, c.event)
	}
	events.OfEveryType(t, seen...)
}

func TestEventWithAFilterNeverSeemsToHaveNone(t *testing.T) {
	for _, filter := range []string{"$share/g/", "$share/g", "$share/", "$share", "$shared/g/a"} {
		denied := &messages.AuthzSubscribeDenied{TopicFilter: filter}
		require.Equal(t, filter, denied.RoutingTopic())
	}
}

func TestAdmitGivesTheIdentityThatIsMissing(t *testing.T) {
	first, second := messages.NewEnvelope(&messages.AuthSuccess{}), messages.NewEnvelope(&messages.AuthSuccess{})
	now := time.Date(2026, 2, 5, 14, 0, 0, 5, time.FixedZone("", 2*60*60))
	require.NoError(t, first.Admit(withPayloads, now))
	require.NoError(t, second.Admit(withPayloads, now))

	id, err := uuid.Parse(first.ID)
	require.NoError(t, err)
	require.Equal(t, uuid.Version(4), id.Version())
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, noon.Add(5), first.Timestamp)
	require.Equal(t, "broker-1", first.BrokerID)
	require.Contains(t, body(first), `"timestamp":"2026-02-05T12:00:00.000000005Z"`)
}

func TestAdmitKeepsTheIdentityThatWasGiven(t *testing.T) {
	envelope := messages.NewEnvelope(&messages.AuthSuccess{})
	envelope.ID, envelope.BrokerID = "mine", "elsewhere"
	envelope.Timestamp = time.Date(2025, 1, 1, 1, 0, 0, 0, time.FixedZone("", 60*60))
	require.NoError(t, envelope.Admit(withPayloads, noon))
	require.Equal(t, "mine", envelope.ID)
	require.Equal(t, "elsewhere", envelope.BrokerID)
	require.Equal(t, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), envelope.Timestamp)
}

func TestPayloadRule(t *testing.T) {
	for name, c := range map[string]struct {
		admission messages.Admission
		given     messages.MessagePublished
		want      string
	}{
		"not included": {
			messages.Admission{MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte("12345")},
			`"payload_size":5`,
		},
		"a byte that is not included": {
			messages.Admission{MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte("1")},
			`"payload_size":1`,
		},
		"at the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte("1234")},
			`"payload_size":4,"payload":"MTIzNA=="`,
		},
		"over the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte("12345")},
			`"payload_size":5,"payload_omitted":true`,
		},
		"included, though the sender says it was not": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte("1234"), PayloadOmitted: true},
			`"payload_size":4,"payload":"MTIzNA=="`,
		},
		"omitted by the sender": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4},
			messages.MessagePublished{PayloadSize: 9, PayloadOmitted: true},
			`"payload_size":9,"payload_omitted":true`,
		},
		"empty": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4},
			messages.MessagePublished{Payload: []byte{}},
			`"payload_size":0`,
		},
		"properties are not included without the payload": {
			messages.Admission{MaxPayloadBytes: 100},
			messages.MessagePublished{Payload: []byte("1"), ContentType: "a", UserProperties: []messages.UserProperty{{Name: "n"}}},
			`"payload_size":1`,
		},
		"properties of an empty payload are not included either": {
			messages.Admission{MaxPayloadBytes: 100},
			messages.MessagePublished{ContentType: "a", UserProperties: []messages.UserProperty{{Name: "n"}}},
			`"payload_size":0`,
		},
		"with a content type at the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 4 + len(`,"content_type":"a/b"`)},
			messages.MessagePublished{Payload: []byte("1234"), ContentType: "a/b"},
			`"payload_size":4,"payload":"MTIzNA==","content_type":"a/b"`,
		},
		"with a content type over the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 3 + len(`,"content_type":"a/b"`)},
			messages.MessagePublished{Payload: []byte("1234"), ContentType: "a/b"},
			`"payload_size":4,"payload_omitted":true`,
		},
		"with a user property at the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 1 + len(`,"user_properties":[,{"name":"n","value":"v"}]`)},
			messages.MessagePublished{Payload: []byte("1"), UserProperties: []messages.UserProperty{{Name: "n", Value: "v"}}},
			`"payload_size":1,"payload":"MQ==","user_properties":[{"name":"n","value":"v"}]`,
		},
		"with a user property over the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: len(`,"user_properties":[,{"name":"n","value":"v"}]`)},
			messages.MessagePublished{Payload: []byte("1"), UserProperties: []messages.UserProperty{{Name: "n", Value: "v"}}},
			`"payload_size":1,"payload_omitted":true`,
		},
		"user properties that JSON escapes over the limit": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 100},
			messages.MessagePublished{UserProperties: []messages.UserProperty{{Value: strings.Repeat("\x01", 20)}}},
			`"payload_size":0,"payload_omitted":true`,
		},
		"omitted by the sender, who gives its properties": {
			messages.Admission{IncludePayload: true, MaxPayloadBytes: 100},
			messages.MessagePublished{PayloadSize: 9, PayloadOmitted: true, ContentType: "a/b"},
			`"payload_size":9,"payload_omitted":true`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			handed := c.given
			envelope := messages.NewEnvelope(&handed)
			require.NoError(t, envelope.Admit(c.admission, noon))
			require.True(t, strings.HasSuffix(body(envelope), `"retained":false,`+c.want+`}}`), body(envelope))
			require.Equal(t, c.given, handed, "the event of the caller")
			require.GreaterOrEqual(t, envelope.Size(), len(body(envelope)))
		})
	}
}

func TestBodyIsTheSameBytesForAll(t *testing.T) {
	envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "a", Payload: make([]byte, 1<<16)})
	require.NoError(t, envelope.Admit(withPayloads, noon))
	bodies := make([][]byte, 8)
	var callers sync.WaitGroup
	for i := range bodies {
		callers.Go(func() { bodies[i] = envelope.Body() })
	}
	callers.Wait()
	require.NotEmpty(t, bodies[0])
	for _, body := range bodies {
		require.Same(t, &bodies[0][0], &body[0])
		require.Len(t, body, len(bodies[0]))
	}
}

func BenchmarkAdmission(b *testing.B) {
	payload := make([]byte, 256)
	b.ReportAllocs()
	for b.Loop() {
		event := &messages.MessagePublished{ClientID: "publisher-1", Topic: "sensors/temperature", QoS: 1, Payload: payload}
		if err := messages.NewEnvelope(event).Admit(withPayloads, noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	event := &messages.MessagePublished{ClientID: "publisher-1", Topic: "sensors/temperature", QoS: 1, Payload: make([]byte, 256)}
	b.ReportAllocs()
	for b.Loop() {
		envelope := messages.NewEnvelope(event)
		envelope.ID = "550e8400-e29b-41d4-a716-446655440000"
		if err := envelope.Admit(withPayloads, noon); err != nil {
			b.Fatal(err)
		}
		envelope.Body()
	}
}

func body(envelope *messages.Envelope) string {
	return string(envelope.Body())
}

func TestAdmittedEnvelopeStaysAsItIs(t *testing.T) {
	envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", Payload: []byte("p")})
	require.NoError(t, envelope.Admit(messages.Admission{BrokerID: "first", IncludePayload: true, MaxPayloadBytes: 1}, time.Now()))
	first := envelope.Body()
	require.NoError(t, envelope.Admit(messages.Admission{BrokerID: "second"}, time.Now()))
	second := envelope.Body()
	require.Equal(t, string(first), string(second))
	require.Equal(t, "first", envelope.BrokerID)
}

func TestEnvelopeWithoutAnEventIsNotAdmitted(t *testing.T) {
	require.Error(t, new(messages.Envelope).Admit(messages.Admission{}, time.Now()))
}
