package router_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

func (r *rig) hand(id string, event messages.Event) {
	r.t.Helper()
	envelope := messages.NewEnvelope(event)
	envelope.ID = id
	require.NoError(r.t, r.NotifyAll(context.Background(), envelope))
}

func TestClientIDsSelectWhoseEventsAnEndpointGets(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil,
			config.Endpoint{Name: "sensors", ClientIDs: []string{"sensor-*", "probe-?"}},
			config.Endpoint{Name: "one", ClientIDs: []string{"sensor-1"}, Events: []string{"message.*"}, TopicFilters: []string{"a/#"}},
			config.Endpoint{Name: "all"})
		r.hand("e1", &messages.MessagePublished{ClientID: "sensor-1", Topic: "a/b"})
		r.hand("e2", &messages.MessagePublished{ClientID: "sensor-1", Topic: "b"})
		r.hand("e3", &messages.ClientConnected{ClientID: "probe-1"})
		r.hand("e4", &messages.ClientConnected{ClientID: "probe-12"})
		r.hand("e5", &messages.MessageRetained{Topic: "a"})
		r.hand("e6", &messages.AuthFailure{Reason: "no id"})
		r.hand("e7", &messages.AuthSuccess{ClientID: "Sensor-1"})
		advance(time.Second)
		require.ElementsMatch(t, []string{"e1", "e2", "e3", "e5", "e6"}, r.receivers["sensors"].ids())
		require.ElementsMatch(t, []string{"e1", "e5"}, r.receivers["one"].ids(), "a retained message has no client")
		require.Len(t, r.receivers["all"].ids(), 7)
	})
}

func TestWhenSelectsEventsByWhatTheyHold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.IncludePayload = true },
			config.Endpoint{Name: "hot", Events: []string{"message.published"}, TopicFilters: []string{"site/#"},
				ClientIDs: []string{"c-*"}, When: `string(data.payload).contains("hot") && data.content_type == "text/plain"`},
			config.Endpoint{Name: "late", When: `timestamp > timestamp("2100-01-01T00:00:00Z") || event_id == "e4"`})
		hot := messages.MessagePublished{ClientID: "c-1", Topic: "site/1", Payload: []byte("so hot"), ContentType: "text/plain"}
		cold, elsewhere, other := hot, hot, hot
		cold.Payload, elsewhere.Topic, other.ClientID = []byte("so cold"), "shed/1", "d-1"
		r.hand("e1", &hot)
		r.hand("e2", &cold)
		r.hand("e3", &elsewhere)
		r.hand("e4", &other)
		advance(time.Second)
		require.Equal(t, []string{"e1"}, r.receivers["hot"].ids())
		require.Equal(t, []string{"e4"}, r.receivers["late"].ids())
		require.EqualValues(t, 2, r.Stats().Mailbox.Of(delivery.Unwanted), "what only such filters refuse")
		require.EqualValues(t, 2, r.Stats().Mailbox.Of(delivery.Routed))
		require.True(t, r.Wants(messages.TypeMessagePublished, "shed/1"), "which knows the type and the topic only")
	})
}

func TestWhenSeesNoPayloadThatIsNotIncluded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", When: `data.payload != b"" || data.content_type != ""`},
			config.Endpoint{Name: "b", When: `data.payload_size == 1`})
		r.hand("e1", &messages.MessagePublished{ClientID: "c", Topic: "t", Payload: []byte("x"), ContentType: "a/b"})
		advance(time.Second)
		require.Empty(t, r.receivers["a"].ids())
		require.Equal(t, []string{"e1"}, r.receivers["b"].ids())
	})
}

func TestWhenSeesAnEventThatIsEncodedAlready(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", When: `data.qos == 2 && data.topic == "t"`, ClientIDs: []string{"c"}})
		envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", QoS: 2})
		require.NoError(t, envelope.Admit(messages.Admission{BrokerID: "b"}, time.Now()))
		envelope.Body()
		require.NoError(t, r.NotifyAll(context.Background(), envelope))
		advance(time.Second)
		require.Len(t, r.receivers["a"].ids(), 1)
	})
}

func TestFilterThatFailsIsCountedAndLoggedOnceInTenSeconds(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "odd", When: `1 / data.qos == 1`}, config.Endpoint{Name: "even"})
		fail := func(n int) {
			for i := range n {
				r.hand(fmt.Sprintf("e%d", i), &messages.MessagePublished{ClientID: "c", Topic: "t"})
			}
			advance(time.Second)
		}
		const line = "an endpoint's filter could not be evaluated"
		fail(5)
		require.Equal(t, []uint64{5, 0}, r.Stats().FilterErrors)
		require.Equal(t, 1, r.log.count(line))
		require.Equal(t, 1, r.log.count(`endpoint=odd event_id=e0 event_type=message.published error="division by zero" not_logged=0`))
		advance(10 * time.Second)
		fail(3)
		require.Equal(t, 2, r.log.count(line))
		require.Equal(t, 1, r.log.count("not_logged=4"))
		r.hand("good", &messages.MessagePublished{ClientID: "c", Topic: "t", QoS: 1})
		advance(time.Second)
		require.Equal(t, []string{"good"}, r.receivers["odd"].ids())
		require.Len(t, r.receivers["even"].ids(), 9)
		require.Zero(t, r.endpoint("odd").Total(delivery.KindDropped))
		require.Equal(t, []uint64{8, 0}, r.Stats().FilterErrors)
	})
}

func TestFiltersThatMeanNothingAreProblemsOfTheirKeys(t *testing.T) {
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{
		{Name: "a", URL: "http://receiver.test/", Events: []string{"client.*"}, When: `data.topic == "t"`},
		{Name: "b", URL: "http://receiver.test/", When: `data.qos`},
	}
	err := router.Check(cfg)
	require.ErrorContains(t, err, "webhook.endpoints[0].when: is no valid expression at its line 1, column 1: data.topic is no field of the endpoint's events, which have client_id, protocol, clean_start")
	require.ErrorContains(t, err, "webhook.endpoints[1].when: is of type int, and has to be true or false")
}

func TestExpressionsAboutDifferentTypesKnowTheirOwnFields(t *testing.T) {
	endpoints := []config.Endpoint{
		{Name: "messages", Events: []string{"message.*"}, When: `data.topic == "t"`},
		{Name: "clients", Events: []string{"client.*"}, When: `data.reason == "timeout"`},
		{Name: "clients too", Events: []string{"client.*"}, When: `data.protocol == "mqtt5"`},
		{Name: "all", When: `data.topic == "t" || data.reason == "timeout"`},
		{Name: "published", Events: []string{"message.published"}, When: `data.qos == 1`},
	}
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, endpoints...)
		r.hand("e1", &messages.MessagePublished{ClientID: "c", Topic: "t", QoS: 1})
		r.hand("e2", &messages.ClientDisconnected{ClientID: "c", Reason: "timeout"})
		r.hand("e3", &messages.ClientConnected{ClientID: "c", Protocol: "mqtt5"})
		r.hand("e4", &messages.MessageRetained{Topic: "t"})
		advance(time.Second)
		require.ElementsMatch(t, []string{"e1", "e4"}, r.receivers["messages"].ids())
		require.ElementsMatch(t, []string{"e2"}, r.receivers["clients"].ids())
		require.ElementsMatch(t, []string{"e3"}, r.receivers["clients too"].ids())
		require.ElementsMatch(t, []string{"e1", "e2", "e4"}, r.receivers["all"].ids())
		require.ElementsMatch(t, []string{"e1"}, r.receivers["published"].ids())
		require.Equal(t, make([]uint64, 5), r.Stats().FilterErrors)
	})
	for order := range 2 { // whichever compiles first
		cfg := config.Default()
		cfg.Webhook.Enabled = true
		cfg.Webhook.Endpoints = []config.Endpoint{endpoints[order], endpoints[1-order]}
		cfg.Webhook.Endpoints[1].When = endpoints[order].When
		for i := range cfg.Webhook.Endpoints {
			cfg.Webhook.Endpoints[i].URL = "http://receiver.test/"
		}
		require.ErrorContains(t, router.Check(cfg), "webhook.endpoints[1].when: is no valid expression at its line 1, column 1: data.")
	}
}

func TestClientIDsAreAskedBeforeWhen(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", ClientIDs: []string{"c-*"}, When: `1 / data.qos == 1`})
		r.hand("e1", &messages.MessagePublished{ClientID: "d-1", Topic: "t"})
		advance(time.Second)
		require.Equal(t, []uint64{0}, r.Stats().FilterErrors, "what another client sent is not evaluated")
		require.Zero(t, r.log.count("could not be evaluated"))
		r.hand("e2", &messages.MessagePublished{ClientID: "c-1", Topic: "t"})
		r.hand("e3", &messages.MessagePublished{ClientID: "c-1", Topic: "t", QoS: 1})
		r.hand("e4", &messages.MessagePublished{ClientID: "d-1", Topic: "t", QoS: 1})
		advance(time.Second)
		require.Equal(t, []uint64{1}, r.Stats().FilterErrors)
		require.Equal(t, []string{"e3"}, r.receivers["a"].ids())
	})
}

func TestEventThatIsTooCostlyForOneEndpointGoesToTheOthers(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.IncludePayload = true },
			config.Endpoint{Name: "costly", When: `data.user_properties.all(p, data.user_properties.exists(q, p == q))`},
			config.Endpoint{Name: "modest", When: `data.qos == 0`}, config.Endpoint{Name: "plain"})
		event := &messages.MessagePublished{ClientID: "c", Topic: "t", UserProperties: make([]messages.UserProperty, messages.MaxUserProperties)}
		event.UserProperties[0].Name = "last"
		r.hand("e1", event)
		advance(time.Second)
		require.Empty(t, r.receivers["costly"].ids())
		require.Equal(t, []string{"e1"}, r.receivers["modest"].ids())
		require.Equal(t, []string{"e1"}, r.receivers["plain"].ids())
		require.Equal(t, []uint64{1, 0, 0}, r.Stats().FilterErrors)
		require.Equal(t, 1, r.log.count(`endpoint=costly event_id=e1 event_type=message.published error="its evaluation takes too long"`))
		require.EqualValues(t, 1, r.Stats().Mailbox.Of(delivery.Routed))
	})
}
