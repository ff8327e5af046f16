package format

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

// nasty is a text that breaks whatever is put together without care.
const nasty = "a\"b\\c\nd<e>&'%/?# ü€😀"

var eventTime = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func endpointAt(url string) config.Endpoint {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "test", URL: url}}
	return webhook.Resolve()[0]
}

// newEvent is a message.published with a payload of that many bytes.
func newEvent(t testing.TB, payloadBytes int) *messages.Envelope {
	t.Helper()
	return admitted(t, &messages.MessagePublished{
		ClientID: "publisher-1", Topic: "sensors/temperature", QoS: 1, Payload: make([]byte, payloadBytes),
	})
}

// everyEvent is an event of each type, with the text in all its fields.
func everyEvent(t testing.TB, text string) []messages.Event {
	t.Helper()
	return events.OfEveryType(t,
		&messages.ClientConnected{ClientID: text, Protocol: messages.ProtocolMQTT5, KeepAlive: 60, RemoteAddr: text},
		&messages.ClientDisconnected{ClientID: text, Reason: messages.ReasonNormal, RemoteAddr: text},
		&messages.ClientSessionTakeover{ClientID: text, FromNode: text, ToNode: text},
		&messages.MessagePublished{
			ClientID: text, Topic: text, QoS: 1, Payload: []byte(text), ContentType: text,
			UserProperties: []messages.UserProperty{{Name: text, Value: text}},
		},
		&messages.MessageDelivered{ClientID: text, Topic: text, QoS: 2, PayloadSize: 7},
		&messages.MessageRetained{Topic: text, PayloadSize: 7},
		&messages.SubscriptionCreated{ClientID: text, TopicFilter: text, SubscriptionID: 9},
		&messages.SubscriptionRemoved{ClientID: text, TopicFilter: text},
		&messages.AuthSuccess{ClientID: text, RemoteAddr: text},
		&messages.AuthFailure{ClientID: text, Reason: text, RemoteAddr: text},
		&messages.AuthzPublishDenied{ClientID: text, Topic: text, Reason: text},
		&messages.AuthzSubscribeDenied{ClientID: text, TopicFilter: text, Reason: text},
	)
}

// admitted is the event as a router would hand it on.
func admitted(t testing.TB, event messages.Event) *messages.Envelope {
	t.Helper()
	return admittedOf(t, event, "broker-1")
}

func admittedOf(t testing.TB, event messages.Event, brokerID string) *messages.Envelope {
	t.Helper()
	envelope := messages.NewEnvelope(event)
	admission := messages.Admission{BrokerID: brokerID, IncludePayload: true, MaxPayloadBytes: 1 << 20}
	require.NoError(t, envelope.Admit(admission, eventTime))
	return envelope
}

func allAdmitted(t testing.TB, events ...messages.Event) []*messages.Envelope {
	t.Helper()
	var envelopes []*messages.Envelope
	for _, event := range events {
		envelopes = append(envelopes, admitted(t, event))
	}
	return envelopes
}

func published(topic string) *messages.MessagePublished {
	return &messages.MessagePublished{ClientID: "pump-7", Topic: topic, QoS: 1, Payload: []byte(`{"t":21.5}`)}
}

// templated is an endpoint of format template with that body.
func templated(body string, events ...string) config.Endpoint {
	endpoint := endpointAt("http://receiver.example/hook")
	endpoint.Format, endpoint.Template.Body, endpoint.Events = config.FormatTemplate, config.Secret(body), events
	return endpoint
}

func rawEndpoint(url string) config.Endpoint {
	endpoint := endpointAt(url)
	endpoint.Format, endpoint.Events = config.FormatRaw, []string{"message.published"}
	return endpoint
}

func newFormat(endpoint config.Endpoint) (Format, error) {
	address, err := url.Parse(endpoint.URL)
	if err != nil {
		return nil, err
	}
	return New(endpoint, address)
}

// contentOf is what the endpoint's format makes of the events.
func contentOf(t testing.TB, endpoint config.Endpoint, events ...*messages.Envelope) (Content, error) {
	t.Helper()
	format, err := newFormat(endpoint)
	require.NoError(t, err)
	return format(events)
}

// bodyOf is the body that must come of it, twice the same: before and after the event is held as JSON.
func bodyOf(t testing.TB, endpoint config.Endpoint, events ...*messages.Envelope) string {
	t.Helper()
	made, err := contentOf(t, endpoint, events...)
	require.NoError(t, err)
	for _, event := range events {
		event.Body()
	}
	again, err := contentOf(t, endpoint, events...)
	require.NoError(t, err)
	require.Equal(t, string(made.Body), string(again.Body))
	require.Equal(t, made.Header, again.Header)
	require.Equal(t, made.URL, again.URL)
	return string(made.Body)
}
