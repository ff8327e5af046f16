package store

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func newDeadLetter(t *testing.T) *DeadLetter {
	t.Helper()
	event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "<c>", Topic: "t", Payload: []byte("payload")})
	event.ID = "e1"
	require.NoError(t, event.Admit(messages.Admission{BrokerID: "b", IncludePayload: true, MaxPayloadBytes: 100}, time.Unix(1, 2)))
	return &DeadLetter{
		ID: uuid.New(), Endpoint: "shop & co", Event: event, Attempts: 3, LastStatus: 500, LastError: "status 500: \"<busy>\"", LastAnswer: `<b>busy</b>\n`,
		Reason: "max_attempts", Time: time.Date(2026, 2, 5, 13, 0, 0, 1, time.FixedZone("CET", 3600)),
	}
}

func TestRecordSaysAllOfADeadLetter(t *testing.T) {
	letter := newDeadLetter(t)
	record := &DeadLetterRecord{
		ID: letter.ID, Time: time.Date(2026, 2, 5, 12, 0, 0, 1, time.UTC), Endpoint: "shop & co", EventID: "e1",
		EventType: "message.published", Attempts: 3, LastStatus: 500, LastError: "status 500: \"<busy>\"",
		LastAnswer: `<b>busy</b>\n`, Reason: "max_attempts",
	}
	require.Equal(t, record, letter.Record(false))
	record.Event = letter.Event.Body()
	require.Equal(t, record, letter.Record(true))
	restored, err := messages.RestoreEnvelope(record.Event)
	require.NoError(t, err)
	require.Equal(t, letter.Event.Body(), restored.Body())
}

func TestIDsAreInTheOrderInWhichTheyWereMade(t *testing.T) {
	made := func() (ids []string) {
		for range 5000 {
			id := newLetterID()
			require.EqualValues(t, 7, id.Version())
			ids = append(ids, id.String())
		}
		return ids
	}
	ids := made()
	synctest.Test(t, func(t *testing.T) { // where the clock is decades back
		ids = append(ids, made()...)
	})
	require.True(t, slices.IsSorted(ids))
	require.Len(t, slices.Compact(ids), 10_000)
}

func TestFilterChoosesWhatFitsInEveryRespect(t *testing.T) {
	letter := newDeadLetter(t).Record(false)
	at := letter.Time
	for name, c := range map[string]struct {
		filter DeadLetterFilter
		chosen bool
	}{
		"nothing asked":       {DeadLetterFilter{}, true},
		"its id among others": {DeadLetterFilter{IDs: []uuid.UUID{uuid.New(), letter.ID}}, true},
		"other ids":           {DeadLetterFilter{IDs: []uuid.UUID{uuid.New()}}, false},
		"its endpoint":        {DeadLetterFilter{Endpoint: "shop & co"}, true},
		"a part of that":      {DeadLetterFilter{Endpoint: "shop"}, false},
		"its type":            {DeadLetterFilter{Type: "message.published"}, true},
		"a type of its group": {DeadLetterFilter{Type: "message.delivered"}, false},
		"since then":          {DeadLetterFilter{Since: at}, true},
		"since later":         {DeadLetterFilter{Since: at.Add(1)}, false},
		"until then":          {DeadLetterFilter{Until: at}, false},
		"until later":         {DeadLetterFilter{Until: at.Add(1)}, true},
		"its error":           {DeadLetterFilter{Error: "<busy>"}, true},
		"its reason":          {DeadLetterFilter{Error: "attempts"}, true},
		"another error":       {DeadLetterFilter{Error: "Busy"}, false},
		"one thing is wrong":  {DeadLetterFilter{Endpoint: "shop & co", Error: "404"}, false},
	} {
		require.Equal(t, c.chosen, c.filter.Match(letter), name)
	}
}
