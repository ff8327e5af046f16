package messages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventOfEveryTypeIsTheSameOutOfAStore(t *testing.T) {
	for _, eventType := range Types() {
		given := NewEnvelope(newEvent(eventType))
		require.NoError(t, given.Admit(Admission{BrokerID: "b"}, time.Unix(1, 2)))
		stored, err := StoredEnvelope(given.Stored())
		require.NoError(t, err, eventType)
		require.NoError(t, stored.Admit(Admission{BrokerID: "other", MaxPayloadBytes: 1}, time.Now()), "it was admitted")
		require.Equal(t, given.Stored(), stored.Stored())
		require.Equal(t, eventType, stored.Type())
		require.Equal(t, given.RoutingTopic(), stored.RoutingTopic())
		event, err := stored.Event()
		require.NoError(t, err)
		require.Equal(t, eventType, event.EventType())
	}
}

func TestWhatWasNeverAdmittedComesOutOfNoStore(t *testing.T) {
	given := NewEnvelope(new(MessagePublished))
	require.NoError(t, given.Admit(Admission{}, time.Now()))
	for name, spoil := range map[string]func(*Stored){
		"no type":      func(s *Stored) { s.Type = 0 },
		"unknown type": func(s *Stored) { s.Type = Type(TypeCount + 1) },
		"no id":        func(s *Stored) { s.ID = "" },
		"no size":      func(s *Stored) { s.Size = 0 },
		"no body":      func(s *Stored) { s.Body = nil },
	} {
		stored := given.Stored()
		spoil(&stored)
		_, err := StoredEnvelope(stored)
		require.Error(t, err, name)
	}
}
