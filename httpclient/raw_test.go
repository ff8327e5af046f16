package httpclient

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func rawEndpoint(url string) config.Endpoint {
	endpoint := endpointAt(url)
	endpoint.Format, endpoint.Events = config.FormatRaw, []string{"message.published"}
	return endpoint
}

// sentRaw is the request that a real server gets of the event.
func sentRaw(t *testing.T, event *messages.MessagePublished, headers map[string]config.Secret) received {
	t.Helper()
	var requests []received
	endpoint := rawEndpoint(serve(t, record(&requests)).URL)
	endpoint.Headers = headers
	client, envelope := newClient(t, endpoint), admitted(t, event)
	for range 2 {
		outcome := client.sendEvent(t.Context(), envelope)
		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		envelope.Body()
	}
	require.Len(t, requests, 2)
	require.Equal(t, requests[0], requests[1])
	return requests[0]
}

func TestRawRequestIsThePayload(t *testing.T) {
	payload := []byte("\x00\xff{not json\r\n")
	request := sentRaw(t, &messages.MessagePublished{
		ClientID: "pump-7", Topic: "sensors/über 100%", QoS: 1, Retained: true, Payload: payload, ContentType: "text/plain; charset=utf-8",
		UserProperties: []messages.UserProperty{{Name: "site", Value: "north"}, {Name: "Site", Value: "south\r\nx: y"}},
	}, nil)

	require.Equal(t, string(payload), request.body)
	for name, want := range map[string][]string{
		"Content-Type":      {"text/plain; charset=utf-8"},
		"Mqtt-Event-Type":   {"message.published"},
		"Mqtt-Event-Id":     request.header["Webhook-Id"],
		"Mqtt-Timestamp":    {"2026-01-02T03:04:05.000000006Z"},
		"Mqtt-Broker-Id":    {"broker-1"},
		"Mqtt-Client-Id":    {"pump-7"},
		"Mqtt-Topic":        {"sensors/%C3%BCber%20100%25"},
		"Mqtt-Qos":          {"1"},
		"Mqtt-Retained":     {"true"},
		"Mqtt-Payload-Size": {"13"},
		"Mqtt-Content-Type": {"text/plain;%20charset=utf-8"},
		"Mqtt-User-Site":    {"north", "south%0D%0Ax:%20y"},
		"Mqtt-Left-Out":     nil,
	} {
		require.Equal(t, want, request.header[name], name)
	}
}

func TestRawContentTypeIsThePublishersIfItIsOne(t *testing.T) {
	for given, want := range map[string]string{
		"":                           "application/octet-stream",
		"json":                       "json",
		"application/json":           "application/json",
		"application/json\r\nX-A: b": "application/octet-stream",
		"application/":               "application/octet-stream",
		"text/plain; charset":        "application/octet-stream",
		"text/plain; a=" + strings.Repeat("b", 250): "application/octet-stream",
		"ü/x": "application/octet-stream",
	} {
		request := sentRaw(t, &messages.MessagePublished{ClientID: "c", Topic: "t", ContentType: given, Payload: []byte("x")}, nil)
		require.Equal(t, []string{want}, request.header["Content-Type"], given)
	}
}

func TestConfiguredContentTypeGoesBeforeThePublishers(t *testing.T) {
	event := &messages.MessagePublished{ClientID: "c", Topic: "t", ContentType: "text/plain", Payload: []byte("x")}
	request := sentRaw(t, event, map[string]config.Secret{"content-type": "application/x-fleet"})
	require.Equal(t, []string{"application/x-fleet"}, request.header["Content-Type"])
}

func TestRawEmptyPayloadIsAnEmptyBody(t *testing.T) {
	request := sentRaw(t, &messages.MessagePublished{ClientID: "c", Topic: "t"}, nil)
	require.Empty(t, request.body)
	require.Equal(t, "0", request.header.Get("Content-Length"))
}

func TestUserPropertyReplacesNoOtherHeader(t *testing.T) {
	plain := sentRaw(t, published("t"), nil)
	names := []string{
		"Content-Length", "Content-Type", "webhook-id", "webhook-signature", "Host", "Authorization", "Transfer-Encoding",
		"mqtt-topic", "x\r\ny", "", "a b", "ü", ":path", "Idempotency-Key",
	}
	event := published("t")
	for _, name := range names {
		event.UserProperties = append(event.UserProperties, messages.UserProperty{Name: name, Value: "evil"})
	}

	request := sentRaw(t, event, nil)

	require.Contains(t, request.host, "127.0.0.1:")
	require.Equal(t, plain.body, request.body)
	require.Equal(t, []string{"5"}, request.header["Mqtt-Left-Out"])
	for name, values := range request.header {
		if strings.HasPrefix(name, "Mqtt-User-") {
			require.Equal(t, []string{"evil"}, values)
			continue
		}
		require.NotContains(t, values, "evil", name)
		if name != "Mqtt-Left-Out" && name != "Webhook-Id" && name != "Mqtt-Event-Id" {
			require.Equal(t, plain.header[name], values, name)
		}
	}
	require.Equal(t, []string{"evil"}, request.header["Mqtt-User-Content-Length"])
}

func TestHeadersOfAnEventAreBounded(t *testing.T) {
	many, large := published("t"), published("t")
	for i := range 200 {
		property := messages.UserProperty{Name: fmt.Sprintf("n%d", i), Value: "v"}
		many.UserProperties = append(many.UserProperties, property)
	}
	large.UserProperties = []messages.UserProperty{
		{Name: "long", Value: strings.Repeat(" ", 6<<10)}, {Name: "short", Value: "v"}, // three times as long encoded
	}
	long := published("t/" + strings.Repeat("l", 60<<10))

	header := sentRaw(t, many, nil).header
	require.Equal(t, []string{"v"}, header["Mqtt-User-N90"])
	require.Equal(t, []string{"109"}, header["Mqtt-Left-Out"])

	header = sentRaw(t, large, nil).header
	require.NotContains(t, header, "Mqtt-User-Long")
	require.Equal(t, []string{"v"}, header["Mqtt-User-Short"])
	require.Equal(t, []string{"1"}, header["Mqtt-Left-Out"])

	header = sentRaw(t, long, nil).header
	require.NotContains(t, header, "Mqtt-Topic")
	require.Equal(t, []string{"1"}, header["Mqtt-Left-Out"])
}

func TestPayloadThatIsNotThereIsNeverSent(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request came") })
	client := newClient(t, rawEndpoint(server.URL))
	for want, admission := range map[string]messages.Admission{
		"build the request: the payload was omitted: it is larger than max_payload_bytes": {IncludePayload: true, MaxPayloadBytes: 3},
		"build the request: the payload was left out: include_payload is off":             {},
	} {
		event := messages.NewEnvelope(published("t"))
		require.NoError(t, event.Admit(admission, time.Now()))

		outcome := client.sendEvent(t.Context(), event)

		require.Equal(t, messages.OutcomeRejected, outcome.Kind)
		require.False(t, outcome.Sent)
		require.EqualError(t, outcome.Err, want)
	}
	outcome := client.sendEvent(t.Context(), admitted(t, &messages.MessageRetained{Topic: "t"}))
	require.EqualError(t, outcome.Err, "build the request: format raw sends payloads, and only a message.published has one")
}
