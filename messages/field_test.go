package messages_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// emptyEvents is an event of each type.
func emptyEvents() []messages.Event {
	var events []messages.Event
	for _, eventType := range messages.Types() {
		events = append(events, messages.NewEvent(eventType))
	}
	return events
}

func TestFieldsAreThoseOfTheJSON(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 3))
	for _, event := range emptyEvents() {
		for range 50 {
			fill(reflect.ValueOf(event).Elem(), chance)
			var written map[string]json.RawMessage
			text, err := json.Marshal(event)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &written))
			for _, field := range messages.Fields(event.EventType()) {
				value := field.Of(event)
				require.Equal(t, field.Kind, reflect.TypeOf(value), field.Name)
				want, err := json.Marshal(value)
				require.NoError(t, err)
				if given, ok := written[field.Name]; ok {
					require.JSONEq(t, string(want), string(given), field.Name)
				} else {
					require.Contains(t, []string{"0", "false", `""`, "null", "[]"}, string(want), field.Name)
				}
				delete(written, field.Name)
			}
			require.Empty(t, written, "fields that are not listed")
		}
	}
}

func TestFieldsStandInTheOrderOfTheJSON(t *testing.T) {
	var names []string
	for _, field := range messages.Fields(messages.TypeMessagePublished) {
		names = append(names, field.Name)
	}
	require.Equal(t, []string{"client_id", "topic", "qos", "retained", "payload_size", "payload", "payload_omitted",
		"content_type", "user_properties"}, names)
	require.Empty(t, messages.Fields(0))
}

func TestClientIDIsTheFieldOfThatName(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 4))
	for _, event := range emptyEvents() {
		fill(reflect.ValueOf(event).Elem(), chance)
		fields := messages.Fields(event.EventType())
		i := slices.IndexFunc(fields, func(field messages.Field) bool { return field.Name == "client_id" })
		if i < 0 {
			require.Equal(t, messages.TypeMessageRetained, event.EventType())
			require.Empty(t, messages.ClientID(event))
			continue
		}
		reflect.ValueOf(event).Elem().FieldByName("ClientID").SetString("c-1")
		require.Equal(t, "c-1", messages.ClientID(event))
		require.Equal(t, "c-1", fields[i].Of(event))
	}
}

func TestEventOutlivesItsEncoding(t *testing.T) {
	for _, text := range []string{
		published,
		data("message.published", `"client_id":"c","topic":"a","content_type":"a/b","user_properties":[{"name":"n","value":"\u2028"},{}]`),
		data("message.published", `"client_id":"c","topic":"a","payload_size":7,"payload_omitted":true`),
		data("client.connected", `"client_id":"\u0001","protocol":"mqtt5","clean_start":true,"keep_alive":9,"remote_addr":"r"`),
		data("subscription.created", `"client_id":"c","topic_filter":"$share/g/a/#","qos":2,"subscription_id":7`),
		data("auth.failure", ``),
	} {
		envelope, err := messages.ParseEnvelope([]byte(text))
		require.NoError(t, err)
		require.NoError(t, envelope.Admit(withPayloads, noon))
		before, err := envelope.Event()
		require.NoError(t, err)
		envelope.Body()
		after, err := envelope.Event()
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.NotSame(t, before, after)
	}
}

func TestEventMayBeReadWhileItIsEncoded(t *testing.T) {
	event := &messages.MessagePublished{ClientID: "c", Topic: "a", Payload: make([]byte, 1<<12), PayloadSize: 1 << 12}
	envelope := messages.NewEnvelope(event)
	require.NoError(t, envelope.Admit(withPayloads, noon))
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() { envelope.Body() })
		callers.Go(func() {
			read, err := envelope.Event()
			assert.NoError(t, err)
			assert.Equal(t, event, read)
		})
	}
	callers.Wait()
}

func TestEventThatNoSenderMaySendIsReadBackToo(t *testing.T) {
	envelope := messages.NewEnvelope(&messages.MessagePublished{Topic: "a/#", QoS: 3})
	require.NoError(t, envelope.Admit(withPayloads, noon))
	envelope.Body()
	read, err := envelope.Event()
	require.NoError(t, err)
	require.Equal(t, &messages.MessagePublished{Topic: "a/#", QoS: 3}, read)
}
