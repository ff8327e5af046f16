package format

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// cloudReceiver reads requests with the SDK of CloudEvents, and answers 400 to what it can't read.
type cloudReceiver struct {
	events []event.Event
}

func (c *cloudReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	var batch []event.Event
	var err error
	if strings.HasPrefix(r.Header.Get("Content-Type"), event.ApplicationCloudEventsBatchJSON) {
		err = json.Unmarshal(text, &batch)
	} else {
		var one *event.Event
		if one, err = binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r)); err == nil {
			batch = []event.Event{*one}
		}
	}
	for _, one := range batch {
		if err == nil {
			err = one.Validate()
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.events = append(c.events, batch...)
}

func cloudEndpoint(batchSize int) config.Endpoint {
	endpoint := endpointAt("http://receiver.example")
	endpoint.Format, endpoint.Batch.MaxEvents = config.FormatCloudEvents, batchSize
	return endpoint
}

// receive hands the receiver a request of the events.
func (c *cloudReceiver) receive(t *testing.T, endpoint config.Endpoint, events ...*messages.Envelope) {
	t.Helper()
	made, err := contentOf(t, endpoint, events...)
	require.NoError(t, err)
	request, answer := httptest.NewRequest(http.MethodPost, endpoint.URL, bytes.NewReader(made.Body)), httptest.NewRecorder()
	request.Header = made.Header
	c.ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code, "%s", answer.Body)
}

func TestCloudEventOfEachTypeIsReadByTheSDK(t *testing.T) {
	for _, text := range []string{"plain", nasty, "topic/with\x01control", "\xff"} {
		endpoint, receiver, events := cloudEndpoint(1), new(cloudReceiver), allAdmitted(t, everyEvent(t, text)...)

		for _, one := range events {
			receiver.receive(t, endpoint, one)
		}

		requireCloudEvents(t, events, receiver.events)
	}
}

func TestBinaryCloudEventOfEachTypeIsReadByTheSDK(t *testing.T) {
	for _, text := range []string{"plain", nasty, `"quoted" 100%`, "topic/with\x01control", "\xff"} {
		endpoint, receiver, events := cloudEndpoint(1), new(cloudReceiver), allAdmitted(t, everyEvent(t, text)...)
		endpoint.Format = config.FormatCloudEventsBinary

		for _, one := range events {
			receiver.receive(t, endpoint, one)
		}

		requireCloudEvents(t, events, receiver.events)
	}
}

func TestBinaryCloudEventHasItsAttributesInHeaders(t *testing.T) {
	endpoint := cloudEndpoint(1)
	endpoint.Format = config.FormatCloudEventsBinary
	event := admitted(t, published(`Küche "1"/100%/€`))

	made, err := contentOf(t, endpoint, event)

	require.NoError(t, err)
	require.Equal(t, http.Header{
		"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {event.ID}, "Ce-Source": {"broker-1"},
		"Ce-Type": {"message.published"}, "Ce-Time": {"2026-01-02T03:04:05.000000006Z"},
		"Ce-Subject": {"K%C3%BCche%20%221%22/100%25/%E2%82%AC"},
	}, made.Header)
	var envelope struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal(event.Body(), &envelope))
	require.Equal(t, string(envelope.Data), string(made.Body))
}

func TestSubjectThatIsTooLongForAHeaderIsLeftOut(t *testing.T) {
	endpoint := cloudEndpoint(1)
	endpoint.Format = config.FormatCloudEventsBinary

	for length, ok := range map[int]bool{8 << 10: true, 8<<10 + 1: false} {
		made, err := contentOf(t, endpoint, admitted(t, published(strings.Repeat("a", length))))

		require.NoError(t, err)
		require.Equal(t, ok, made.Header.Get("Ce-Subject") != "")
	}
}

func TestCloudEventsAreAnnouncedWithoutACharset(t *testing.T) {
	for batch, want := range map[int]string{1: "application/cloudevents+json", 100: "application/cloudevents-batch+json"} {
		made, err := contentOf(t, cloudEndpoint(batch), newEvent(t, 0))

		require.NoError(t, err)
		require.Equal(t, []string{want}, made.Header["Content-Type"])
	}
}

func TestBatchOfCloudEventsIsReadByTheSDK(t *testing.T) {
	endpoint, receiver, events := cloudEndpoint(100), new(cloudReceiver), allAdmitted(t, everyEvent(t, nasty)...)

	receiver.receive(t, endpoint, events...)
	receiver.receive(t, endpoint, events[:1]...)

	requireCloudEvents(t, append(events, events[0]), receiver.events)
}

func requireCloudEvents(t *testing.T, want []*messages.Envelope, got []event.Event) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, one := range got {
		require.Equal(t, "1.0", one.SpecVersion())
		require.Equal(t, want[i].ID, one.ID())
		require.Equal(t, "broker-1", one.Source())
		require.Equal(t, want[i].Type().String(), one.Type())
		require.Equal(t, want[i].Timestamp, one.Time())
		require.Equal(t, "application/json", one.DataContentType())
		var envelope struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal(want[i].Body(), &envelope))
		require.JSONEq(t, string(envelope.Data), string(one.Data()))
	}
}

func TestSubjectIsTheTopicTheFilterOrTheClient(t *testing.T) {
	for want, e := range map[string]messages.Event{
		"a/b":          published("a/b"),
		"$share/g/a/+": &messages.SubscriptionCreated{ClientID: "c", TopicFilter: "$share/g/a/+"},
		"pump-7":       &messages.ClientConnected{ClientID: "pump-7", Protocol: messages.ProtocolMQTT5},
		"a\ufffdb":     published("a\x7fb"),
		"":             &messages.AuthFailure{Reason: "no client id"},
	} {
		endpoint := cloudEndpoint(1)

		var sent map[string]any
		require.NoError(t, json.Unmarshal([]byte(bodyOf(t, endpoint, admitted(t, e))), &sent))

		subject, ok := sent["subject"]
		require.Equal(t, want != "", ok)
		if ok {
			require.Equal(t, want, subject)
		}
	}
}

func TestSourceIsAReferenceThatGivesTheBrokerIDBack(t *testing.T) {
	for _, brokerID := range []string{"broker-1", "a:b", "http://x/y?z#f", "..", "ü ö", "100%", `"data":{`, `,"data":`} {
		endpoint := cloudEndpoint(1)
		e := admittedOf(t, published("a"), brokerID)

		sent := event.New()
		require.NoError(t, json.Unmarshal([]byte(bodyOf(t, endpoint, e)), &sent))

		require.NoError(t, sent.Validate())
		source, err := url.Parse(sent.Source())
		require.NoError(t, err)
		require.Equal(t, brokerID, source.Path)
		require.Equal(t, &url.URL{Path: source.Path, RawPath: source.RawPath}, source)
	}
}
