package messages_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestEventsAreEncodedAsTheirTagsSay(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for _, event := range emptyEvents() {
		t.Run(event.EventType().String(), func(t *testing.T) {
			for range 500 {
				fill(reflect.ValueOf(event).Elem(), chance)
				requireSameAsEncodingJSON(t, event)
			}
		})
	}
}

func FuzzTextIsEncodedAsEncodingJSONDoes(f *testing.F) {
	for _, text := range []string{"", "plain", "<&>", "\"\\/\b\f\n\r\t\x00\x7f", "é €\u2028\u2029😀", "\xff\xc3", "\x80", "$share/g/a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		requireSameAsEncodingJSON(t, &messages.AuthFailure{ClientID: text, Reason: text + "x", RemoteAddr: "y" + text})
	})
}

func requireSameAsEncodingJSON(t *testing.T, event messages.Event) {
	t.Helper()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(event))

	envelope := messages.NewEnvelope(event)
	keepAll := messages.Admission{BrokerID: "b", IncludePayload: true, MaxPayloadBytes: 1 << 20}
	require.NoError(t, envelope.Admit(keepAll, time.Now()))
	var got struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(body(envelope)), &got))
	require.Equal(t, string(bytes.TrimSpace(want.Bytes())), string(got.Data))
}

// fill gives each field of a struct a value by chance; zero values are among them.
func fill(structure reflect.Value, chance *rand.Rand) {
	for i := range structure.NumField() {
		field := structure.Field(i)
		switch field.Kind() {
		case reflect.String:
			field.SetString(anyText(chance))
		case reflect.Bool:
			field.SetBool(chance.IntN(2) == 0)
		case reflect.Int:
			field.SetInt(chance.Int64N(3) * chance.Int64N(1<<40))
		case reflect.Uint8, reflect.Uint16:
			field.SetUint(chance.Uint64N(256))
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), chance.IntN(5), 5))
			if field.Type().Elem().Kind() == reflect.Struct {
				for i := range field.Len() {
					fill(field.Index(i), chance)
				}
			}
		}
	}
	if published, ok := structure.Addr().Interface().(*messages.MessagePublished); ok {
		published.PayloadSize = len(published.Payload) // as it is handed over
		published.PayloadOmitted = false
	}
}

func anyText(chance *rand.Rand) string {
	characters := []rune("ab/+#$ \"\\<>&\n\x00é€\u2028😀\ufffd")
	text := make([]rune, chance.IntN(8))
	for i := range text {
		text[i] = characters[chance.IntN(len(characters))]
	}
	return string(text)
}
