package messages_test

import (
	"encoding/base64"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

var pieces = []string{
	"a", "/", `"`, `\`, "<", "&", "\x00", "\b", "\n", "\x1f", " ", "\x7f", "\xff", "\xc3", "\xed\xa0\x80", "é", "温", "🌡", "\u2028", "\u2029", "\ufffd",
}

func TestSizeIsAtLeastTheBody(t *testing.T) {
	require.NoError(t, quick.Check(func(texts [5]textOf, payload []byte) bool {
		for _, envelope := range admitEveryType(t, texts, pieces, payload) {
			if envelope.Size() < len(body(envelope)) {
				t.Logf("size %d: %s", envelope.Size(), body(envelope))
				return false
			}
		}
		return true
	}, nil))
}

// TestSizeIsAtLeastTheBodyOfTheWorstText holds each character to it alone, so that no other one's share hides what it lacks.
func TestSizeIsAtLeastTheBodyOfTheWorstText(t *testing.T) {
	for _, piece := range pieces {
		envelope := messages.NewEnvelope(&messages.AuthSuccess{ClientID: strings.Repeat(piece, 1000)})
		require.NoError(t, envelope.Admit(withPayloads, noon))
		require.GreaterOrEqual(t, envelope.Size(), len(body(envelope)), "%q", piece)
	}
}

func TestSizeOfPlainTextsIsNearTheBody(t *testing.T) {
	pieces := strings.Split("abcXYZ019-_/ ", "")
	require.NoError(t, quick.Check(func(texts [5]textOf, payload []byte) bool {
		for _, envelope := range admitEveryType(t, texts, pieces, payload) {
			if envelope.Size()-len(body(envelope)) > 400 {
				t.Logf("size %d: %s", envelope.Size(), body(envelope))
				return false
			}
		}
		return true
	}, nil))
}

// TestEventWithinThePayloadLimitFitsIntoItsQueue holds the rule to what config demands of queue_bytes: the base64 of
// max_payload_bytes, and 72 KiB for the rest.
func TestEventWithinThePayloadLimitFitsIntoItsQueue(t *testing.T) {
	const rest = 72 << 10
	for _, limit := range []int{1, 64, 1000, 1 << 20} {
		admission := messages.Admission{IncludePayload: true, MaxPayloadBytes: limit}
		for _, text := range []string{"", "a", "\x01", strings.Repeat("\x01", 160), strings.Repeat("x", 900), strings.Repeat("\u2028", 20_000)} {
			for _, payload := range []int{0, 1, limit / 2, limit} {
				event := &messages.MessagePublished{
					ClientID: "c", Topic: strings.Repeat("t", messages.MaxTopicBytes), Payload: make([]byte, payload), ContentType: text,
					UserProperties: []messages.UserProperty{{Name: text, Value: text}, {Name: text}},
				}
				envelope := messages.NewEnvelope(event)
				require.NoError(t, envelope.Admit(admission, noon))
				require.LessOrEqual(t, envelope.Size(), base64.StdEncoding.EncodedLen(limit)+rest)
				require.GreaterOrEqual(t, envelope.Size(), len(body(envelope)))
			}
		}
	}
}

// textOf picks the pieces of a random text, whichever pieces there are.
type textOf []uint8

func (textOf) Generate(random *rand.Rand, _ int) reflect.Value {
	picks := make(textOf, random.Intn(200))
	random.Read(picks)
	return reflect.ValueOf(picks)
}

func (picks textOf) from(pieces []string) string {
	var text strings.Builder
	for _, pick := range picks {
		text.WriteString(pieces[int(pick)%len(pieces)])
	}
	return text.String()
}

// admitEveryType makes an event of each type with the longest numbers and the texts in all places.
func admitEveryType(t *testing.T, picks [5]textOf, pieces []string, payload []byte) []*messages.Envelope {
	t.Helper()
	var x [5]string
	for i := range picks {
		x[i] = picks[i].from(pieces)
	}
	all := events.OfEveryType(t,
		&messages.ClientConnected{ClientID: x[0], Protocol: x[1], KeepAlive: math.MaxUint16, RemoteAddr: x[2]},
		&messages.ClientDisconnected{ClientID: x[0], Reason: x[1], RemoteAddr: x[2]},
		&messages.ClientSessionTakeover{ClientID: x[0], FromNode: x[1], ToNode: x[2]},
		&messages.MessagePublished{ClientID: x[0], Topic: x[1], QoS: 255, PayloadSize: math.MinInt, Payload: payload},
		&messages.MessagePublished{ClientID: x[0], Topic: x[1], QoS: 255, PayloadSize: math.MinInt, PayloadOmitted: true},
		&messages.MessagePublished{
			ClientID: x[0], Topic: x[1], QoS: 255, PayloadSize: math.MinInt, Payload: payload, ContentType: x[2],
			UserProperties: []messages.UserProperty{{Name: x[3], Value: x[4]}, {}, {Name: x[2], Value: x[0]}},
		},
		&messages.MessageDelivered{ClientID: x[0], Topic: x[1], QoS: 255, PayloadSize: math.MinInt},
		&messages.MessageRetained{Topic: x[0], PayloadSize: math.MinInt},
		&messages.SubscriptionCreated{ClientID: x[0], TopicFilter: x[1], QoS: 255, SubscriptionID: math.MinInt},
		&messages.SubscriptionRemoved{ClientID: x[0], TopicFilter: x[1]},
		&messages.AuthSuccess{ClientID: x[0], RemoteAddr: x[1]},
		&messages.AuthFailure{ClientID: x[0], Reason: x[1], RemoteAddr: x[2]},
		&messages.AuthzPublishDenied{ClientID: x[0], Topic: x[1], Reason: x[2]},
		&messages.AuthzSubscribeDenied{ClientID: x[0], TopicFilter: x[1], Reason: x[2]},
	)
	envelopes := make([]*messages.Envelope, len(all))
	for i, event := range all {
		envelope := messages.NewEnvelope(event)
		envelope.ID, envelope.BrokerID = x[3], x[4]
		require.NoError(t, envelope.Admit(withPayloads, noon))
		envelopes[i] = envelope
	}
	return envelopes
}
