package messages_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// TestTextThatUnfoldsToNoEventCostsNoMemory reads texts of 2 MiB, each of which took a multiple of its size once.
func TestTextThatUnfoldsToNoEventCostsNoMemory(t *testing.T) {
	const size, most = 2 << 20, 1 << 20
	for name, text := range map[string]string{
		"empty properties":    data("message.published", `"user_properties":[`+repeat("{},", size)+`{}]`),
		"nested lists":        data("message.published", `"user_properties":[`+repeat("[", size)),
		"closed nested lists": data("message.published", `"topic":`+repeat("[", size/2)+repeat("]", size/2)),
		"shallow lists":       data("message.published", `"topic":[`+repeat("[[[]]],", size)+`0]`),
		"nested objects":      data("auth.success", repeat(`"a":{`, size)),
		"escapes":             data("auth.success", `"client_id":"`+repeat(`\u0000`, size)+`"`),
		"escaped quotes":      data("auth.success", `"client_id":"`+repeat(`\"`, size)+`"`),
		"an endless text":     data("auth.success", `"client_id":"`+repeat(`\"`, size)),
		"a long text":         data("auth.success", `"client_id":"`+repeat("x", size)+`"`),
		"digits":              data("message.published", `"qos":`+repeat("1", size)),
		"fraction":            data("message.published", `"qos":0.`+repeat("1", size)),
		"one key again":       data("auth.success", repeat(`"client_id":"c",`, size)+`"client_id":"c"`),
		"one envelope's key":  `{` + repeat(`"event_id":"e",`, size) + `"event_id":"e"}`,
		"unknown list":        `{"unknown":[` + repeat("{},", size) + `{}]}`,
		"unknown keys":        data("auth.success", repeat(`"k":0,`, size)+`"k":0`),
		"a property's key":    data("message.published", `"user_properties":[{`+repeat(`"name":"n",`, size)+`"name":""}]`),
		"long property":       data("message.published", `"user_properties":[{"name":"`+repeat(`\u0001`, size)+`"}]`),
		"many arrays":         repeat("[", size/2) + repeat("]", size/2),
		"spaces":              repeat(" ", size),
		"no UTF-8":            `{"event_type":"` + repeat("\xff", size),
	} {
		text := []byte(text)
		took := allocated(func() {
			_, err := messages.ParseEnvelope(text)
			require.Error(t, err, name)
			require.Less(t, len(err.Error()), 1000, name)
		})
		require.LessOrEqual(t, took, most, name)
	}
}

func TestMostPropertiesTakeAFewBytesEach(t *testing.T) {
	text := []byte(data("message.published", `"client_id":"c","topic":"t","user_properties":[`+repeat("{},", 3*(messages.MaxUserProperties-1))+`{}]`))
	require.LessOrEqual(t, allocated(func() {
		_, err := messages.ParseEnvelope(text)
		require.NoError(t, err)
	}), 128*messages.MaxUserProperties)
}

func TestLongTextOfAProgramIsRefused(t *testing.T) {
	longest := strings.Repeat("x", messages.MaxTextBytes)
	for field, event := range map[string]func(text string) messages.Event{
		"data.client_id":    func(text string) messages.Event { return &messages.AuthFailure{ClientID: text} },
		"data.reason":       func(text string) messages.Event { return &messages.AuthFailure{Reason: text} },
		"data.remote_addr":  func(text string) messages.Event { return &messages.ClientConnected{RemoteAddr: text} },
		"data.to_node":      func(text string) messages.Event { return &messages.ClientSessionTakeover{ToNode: text} },
		"data.topic":        func(text string) messages.Event { return &messages.MessageRetained{Topic: text} },
		"data.topic_filter": func(text string) messages.Event { return &messages.SubscriptionRemoved{TopicFilter: text} },
		"data.content_type": func(text string) messages.Event { return &messages.MessagePublished{ContentType: text} },
	} {
		require.NoError(t, messages.NewEnvelope(event(longest)).Admit(withPayloads, noon))
		err := messages.NewEnvelope(event(longest+"x")).Admit(withPayloads, noon)
		require.EqualError(t, err, field+": has 65536 bytes, and MQTT allows 65535")
	}
	for field, set := range map[string]func(e *messages.Envelope, text string){
		"event_id":  func(e *messages.Envelope, text string) { e.ID = text },
		"broker_id": func(e *messages.Envelope, text string) { e.BrokerID = text },
	} {
		envelope := messages.NewEnvelope(&messages.AuthSuccess{})
		set(envelope, longest+"x")
		require.EqualError(t, envelope.Admit(withPayloads, noon), field+": has 65536 bytes, and MQTT allows 65535")
		set(envelope, longest)
		require.NoError(t, envelope.Admit(withPayloads, noon))
	}
}

func TestTooManyPropertiesOfAProgramAreOmittedWithThePayload(t *testing.T) {
	most := make([]messages.UserProperty, messages.MaxUserProperties)
	largest := slices.Repeat([]messages.UserProperty{{Name: strings.Repeat("x", messages.MaxUserPropertyBytes/4)}}, 4)
	for _, c := range []struct {
		given   []messages.UserProperty
		omitted bool
	}{
		{most, false},
		{append(most, messages.UserProperty{}), true},
		{largest, false},
		{append(largest, messages.UserProperty{Value: "x"}), true},
	} {
		envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", Payload: []byte("p"), UserProperties: c.given})
		require.NoError(t, envelope.Admit(withPayloads, noon))
		event, err := envelope.Event()
		require.NoError(t, err)
		admitted := event.(*messages.MessagePublished)
		require.Equal(t, c.omitted, admitted.PayloadOmitted)
		require.Equal(t, c.omitted, admitted.UserProperties == nil)
		require.Equal(t, c.omitted, admitted.Payload == nil)
		require.Equal(t, 1, admitted.PayloadSize)
	}
}

// repeat is as many times the text as fit into size bytes.
func repeat(text string, size int) string {
	return strings.Repeat(text, size/len(text))
}

// allocated is how many bytes the function takes, whether they are freed later or not.
func allocated(call func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
