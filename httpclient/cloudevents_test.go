package httpclient

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
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
	mutex  sync.Mutex
	events []event.Event
}

func (c *cloudReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
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

func cloudEndpoint(t *testing.T, batchSize int) (config.Endpoint, *cloudReceiver) {
	receiver := new(cloudReceiver)
	endpoint := endpointAt(serve(t, receiver.ServeHTTP).URL)
	endpoint.Format, endpoint.Batch.MaxEvents = config.FormatCloudEvents, batchSize
	return endpoint, receiver
}

func TestCloudEventOfEachTypeIsReadByTheSDK(t *testing.T) {
	for _, text := range []string{"plain", nasty, "topic/with\x01control", "\xff"} {
		endpoint, receiver := cloudEndpoint(t, 1)
		client, events := newClient(t, endpoint), allAdmitted(t, everyEvent(text)...)

		for _, one := range events {
			require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), one).Kind, "%s", one.Type())
		}

		requireCloudEvents(t, events, receiver.events)
	}
}

func TestBatchOfCloudEventsIsReadByTheSDK(t *testing.T) {
	endpoint, receiver := cloudEndpoint(t, 100)
	client, events := newClient(t, endpoint), allAdmitted(t, everyEvent(nasty)...)

	require.Equal(t, messages.OutcomeDelivered, client.Send(t.Context(), "batch-1", events).Kind)
	require.Equal(t, messages.OutcomeDelivered, client.Send(t.Context(), "batch-2", events[:1]).Kind)

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
		endpoint := endpointAt("http://receiver.example")
		endpoint.Format = config.FormatCloudEvents

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
		endpoint := endpointAt("http://receiver.example")
		endpoint.Format = config.FormatCloudEvents
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
