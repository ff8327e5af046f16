package messages_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestEveryTypeIsReadFromItsOwnText(t *testing.T) {
	types := messages.Types()
	require.Len(t, types, messages.TypeCount)
	for i, eventType := range types {
		require.Equal(t, i+1, int(eventType))
		require.True(t, eventType.Valid())
		text, err := eventType.MarshalText()
		require.NoError(t, err)
		require.Equal(t, eventType.String(), string(text))
		var read messages.Type
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, eventType, read)
	}
}

func TestTextThatIsNoTypeIsRefused(t *testing.T) {
	for _, text := range []string{"", "message.*", "Message.Published", "message.published "} {
		_, err := messages.ParseType(text)
		require.Error(t, err, "%q", text)
		var eventType messages.Type
		require.Error(t, eventType.UnmarshalText([]byte(text)), "%q", text)
	}
}

func TestInvalidTypeIsNotEncoded(t *testing.T) {
	for _, eventType := range []messages.Type{0, messages.Type(messages.TypeCount + 1), 255} {
		require.False(t, eventType.Valid())
		require.Contains(t, eventType.String(), "invalid event type")
		_, err := json.Marshal(eventType)
		require.ErrorContains(t, err, "invalid event type")
	}
}
