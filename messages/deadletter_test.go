package messages

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func newDeadLetter(t *testing.T) *DeadLetter {
	t.Helper()
	event := NewEnvelope(&MessagePublished{ClientID: "<c>", Topic: "t", Payload: []byte("payload")})
	event.ID = "e1"
	require.NoError(t, event.Admit(Admission{BrokerID: "b", IncludePayload: true, MaxPayloadBytes: 100}, time.Unix(1, 2)))
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
		record, err := ParseDeadLetter(line, withEvent)
		require.NoError(t, err)
		require.Equal(t, letter.Record(withEvent), record)
		require.Equal(t, withEvent, record.Event != nil)
	}
	id, err := DeadLetterID(line)
	require.NoError(t, err)
	require.Equal(t, letter.ID, id)
	require.False(t, IsDeadLetterMark(line))

	record, err := ParseDeadLetter(line, true)
	require.NoError(t, err)
	event, err := RestoreEnvelope(record.Event)
	require.NoError(t, err)
	require.Equal(t, letter.Event.Body(), event.Body())
}

func TestEventOfEveryTypeIsRestoredThoughItWasNeverChecked(t *testing.T) {
	for _, eventType := range Types() {
		given := NewEnvelope(newEvent(eventType))
		given.ID = strings.Repeat("an id of a Go program ", 10)
		require.NoError(t, given.Admit(Admission{}, time.Unix(1, 2)))
		restored, err := RestoreEnvelope(given.Body())
		require.NoError(t, err, eventType)
		require.NoError(t, restored.Admit(Admission{BrokerID: "b", MaxPayloadBytes: 1}, time.Now()), "it was admitted")
		require.Equal(t, given.Size(), restored.Size())
		require.Equal(t, given.RoutingTopic(), restored.RoutingTopic())
		require.Equal(t, given.ID, restored.ID)
		require.True(t, given.Timestamp.Equal(restored.Timestamp))
		require.Equal(t, string(given.Body()), string(restored.Body()))
	}
}

func TestEventThatWouldNotBeTheSameIsNotRestored(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"event_type":"no.such","event_id":"e","data":{}}`,
		`{"event_type":"auth.success","event_id":"e"}`,
		`{"event_type":"auth.success","event_id":"e","data":null}`,
		`{"event_type":"auth.success","data":{}}`,
		`{"event_type":"auth.success","event_id":"e","data":{"later":1}}`,
		`{"event_type":"auth.success","event_id":"e","data":{},"later":1}`,
		`{"event_type":"auth.success","event_id":"e","data":{},"timestamp":"now"}`,
		`{"event_type":"auth.success","event_id":"e","data":{"client_id":1}}`,
	} {
		_, err := RestoreEnvelope([]byte(text))
		require.Error(t, err, text)
	}
}

func TestLineWithoutIDGetsOneThatDependsOnItsBytesAlone(t *testing.T) {
	line := lineOf(t, newDeadLetter(t))
	legacy := append([]byte("{"), line[len(`{"id":"00000000-0000-0000-0000-000000000000",`):]...)
	require.True(t, json.Valid(legacy))
	first, err := ParseDeadLetter(legacy, false)
	require.NoError(t, err)
	again, err := DeadLetterID(bytes.Clone(legacy))
	require.NoError(t, err)
	require.Equal(t, first.ID, again)
	other, err := DeadLetterID(bytes.Replace(legacy, []byte(`"attempts":3`), []byte(`"attempts":4`), 1))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, other)
}

func TestMarkIsReadBackAsItWasWritten(t *testing.T) {
	mark := DeadLetterMark{ID: uuid.New(), Replayed: Replayed{Time: time.Unix(1, 2).UTC(), Fate: FateDelivered}}
	line, err := mark.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `{"replayed":"`+mark.ID.String()+`","time":"1970-01-01T00:00:01.000000002Z","fate":"delivered"}`+"\n", string(line))
	require.True(t, IsDeadLetterMark(line))
	read, err := ParseDeadLetterMark(line)
	require.NoError(t, err)
	require.Equal(t, mark, read)
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
