package store

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/fluxmq/webhookd/messages"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
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

func lineOf(t *testing.T, letter *DeadLetter) []byte {
	t.Helper()
	line, err := letter.MarshalJSON()
	require.NoError(t, err)
	return bytes.TrimSuffix(line, []byte("\n"))
}

func TestDeadLetterIsReadBackAsItWasWritten(t *testing.T) {
	letter := newDeadLetter(t)
	line := lineOf(t, letter)
	require.Contains(t, string(line), `"event":`+string(letter.Event.Body())+`,`, "the event's bytes are not changed")
	for _, withEvent := range []bool{false, true} {
		record, err := parseDeadLetter(line, withEvent)
		require.NoError(t, err)
		require.Equal(t, letter.Record(withEvent), record)
		require.Equal(t, withEvent, record.Event != nil)
	}
	id, err := deadLetterID(line)
	require.NoError(t, err)
	require.Equal(t, letter.ID, id)
	require.False(t, isReplayEnd(line))

	record, err := parseDeadLetter(line, true)
	require.NoError(t, err)
	event, err := messages.RestoreEnvelope(record.Event)
	require.NoError(t, err)
	require.Equal(t, letter.Event.Body(), event.Body())
}

func TestLineWithoutIDGetsOneThatDependsOnItsBytesAlone(t *testing.T) {
	line := lineOf(t, newDeadLetter(t))
	legacy := append([]byte("{"), line[len(`{"id":"00000000-0000-0000-0000-000000000000",`):]...)
	require.True(t, json.Valid(legacy))
	first, err := parseDeadLetter(legacy, false)
	require.NoError(t, err)
	again, err := deadLetterID(bytes.Clone(legacy))
	require.NoError(t, err)
	require.Equal(t, first.ID, again)
	other, err := deadLetterID(bytes.Replace(legacy, []byte(`"attempts":3`), []byte(`"attempts":4`), 1))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, other)
}

func TestReplayEndIsReadBackAsItWasWritten(t *testing.T) {
	end := ReplayEnd{ID: uuid.New(), Replayed: Replayed{Time: time.Unix(1, 2).UTC(), Fate: FateDelivered}}
	line, err := end.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `{"replayed":"`+end.ID.String()+`","time":"1970-01-01T00:00:01.000000002Z","fate":"delivered"}`+"\n", string(line))
	require.True(t, isReplayEnd(line))
	read, err := parseReplayEnd(line)
	require.NoError(t, err)
	require.Equal(t, end, read)
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

func TestReplaysChooseByTheEnd(t *testing.T) {
	require.Equal(t, []bool{true, false}, []bool{OpenOnly.Match(false), OpenOnly.Match(true)})
	require.Equal(t, []bool{false, true}, []bool{ReplayedOnly.Match(false), ReplayedOnly.Match(true)})
	require.Equal(t, []bool{true, true}, []bool{OpenAndReplayed.Match(false), OpenAndReplayed.Match(true)})
}
