package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// all is more than any test holds.
var all = delivery.Volume{Events: 1 << 30, Bytes: 1 << 50}

// fixture is a Keeper, and the numbers that its Store would give.
type fixture struct {
	t    testing.TB
	open func() store.Keeper
	store.Keeper

	event   uint64
	letters int64
	places  map[string]uint64
}

func begin(t *testing.T, open Open) *fixture {
	dir := t.TempDir()
	f := &fixture{t: t, places: map[string]uint64{}}
	f.open = func() store.Keeper { return open(t, dir) }
	f.Keeper = f.open()
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// restart closes the Keeper and opens it again.
func (f *fixture) restart() {
	f.t.Helper()
	require.NoError(f.t, f.Close())
	f.Keeper = f.open()
}

// commit commits a group.
func (f *fixture) commit(group store.Group) store.Trimmed {
	f.t.Helper()
	trimmed, err := f.Commit(&group)
	require.NoError(f.t, err)
	return trimmed
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 891_234_567, time.UTC)

// newEvent is an event that no group has yet.
func (f *fixture) newEvent(event messages.Event) store.EventRecord {
	f.event++
	envelope := messages.NewEnvelope(event)
	envelope.ID = fmt.Sprintf("event-%d", f.event)
	err := envelope.Admit(messages.Admission{BrokerID: "broker", IncludePayload: true, MaxPayloadBytes: 1 << 20}, start.Add(time.Duration(f.event)))
	require.NoError(f.t, err)
	return store.EventRecord{Number: f.event, Event: envelope}
}

// message is an event of the class of messages.
func (f *fixture) message() store.EventRecord {
	return f.newEvent(&messages.MessagePublished{Topic: fmt.Sprintf("a/%d", f.event), ClientID: "c", Payload: []byte("payload"), QoS: 1})
}

// hold is a hold at the endpoint's next place.
func (f *fixture) hold(endpoint string, event store.EventRecord) store.HoldRecord {
	f.places[endpoint]++
	return store.HoldRecord{
		Endpoint: endpoint,
		Place:    delivery.Place{Class: event.Event.Type().Class(), Number: f.places[endpoint]},
		Event:    event.Number,
		Size:     event.Event.Size(),
		At:       start.Add(time.Duration(f.places[endpoint]) * time.Millisecond),
	}
}

// shared is a hold of an event that others may hold.
func (f *fixture) shared(endpoint string, event store.EventRecord) store.HoldRecord {
	h := f.hold(endpoint, event)
	h.Shared = true
	return h
}

// holding commits new messages that the endpoint holds.
func (f *fixture) holding(endpoint string, events int) (holds []store.HoldRecord) {
	f.t.Helper()
	var group store.Group
	for range events {
		event := f.message()
		group.Events = append(group.Events, event)
		group.Holds = append(group.Holds, f.hold(endpoint, event))
	}
	f.commit(group)
	return group.Holds
}

func endOf(h store.HoldRecord) store.EndRecord {
	return store.EndRecord{Endpoint: h.Endpoint, Place: h.Place}
}

// newID is the id of the next dead letter, which is given up a second after the one before.
func (f *fixture) newID() (uuid.UUID, time.Time) {
	f.letters++
	at := start.Add(time.Duration(f.letters) * time.Second)
	var id uuid.UUID
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		id[i] = byte(ms)
	}
	id[6], id[8], id[15] = 7<<4, 2<<6, byte(f.letters)
	return id, at
}

// letter gives up what is held.
func (f *fixture) letter(h store.HoldRecord, event store.EventRecord) store.LetterRecord {
	id, at := f.newID()
	return store.LetterRecord{Place: h.Place, Letter: &store.DeadLetter{
		ID:         id,
		Endpoint:   h.Endpoint,
		Event:      event.Event,
		Attempts:   int(f.letters),
		LastStatus: 400 + int(f.letters)%3,
		LastError:  fmt.Sprintf("answered %d", 400+f.letters%3),
		LastAnswer: "no such thing",
		Reason:     []string{"rejected", "max_attempts"}[f.letters%2],
		Time:       at,
	}}
}

// givingUp commits new messages of the endpoint as dead letters.
func (f *fixture) givingUp(endpoint string, letters int) (given []store.LetterRecord) {
	f.t.Helper()
	var group store.Group
	for range letters {
		event := f.message()
		h := f.hold(endpoint, event)
		group.Events = append(group.Events, event)
		group.Holds = append(group.Holds, h)
		group.Letters = append(group.Letters, f.letter(h, event))
	}
	f.commit(group)
	return group.Letters
}

// held is all that the endpoint holds.
func (f *fixture) held(endpoint string) []delivery.Stored {
	f.t.Helper()
	found, err := f.Held(endpoint, 0, all)
	require.NoError(f.t, err)
	require.Empty(f.t, found.Damaged)
	return found.Events
}

func numbers(events []delivery.Stored) []uint64 {
	numbers := []uint64{}
	for _, event := range events {
		numbers = append(numbers, event.Number)
	}
	return numbers
}

// list is what a query finds on one page.
func (f *fixture) list(query store.DeadLetterQuery) []*store.DeadLetterRecord {
	f.t.Helper()
	query.Limit = 1 << 20
	page, err := f.Letters(f.t.Context(), query)
	require.NoError(f.t, err)
	require.Empty(f.t, page.Next)
	require.Zero(f.t, page.Skipped)
	return page.Letters
}

func ids(letters []*store.DeadLetterRecord) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, letter := range letters {
		ids = append(ids, letter.ID)
	}
	return ids
}

// dump is all that can be read, as text.
func (f *fixture) dump(endpoints ...string) string {
	f.t.Helper()
	accounts, err := f.Endpoints()
	require.NoError(f.t, err)
	text := []any{accounts}
	for _, endpoint := range endpoints {
		for _, event := range f.held(endpoint) {
			text = append(text, endpoint, event.Place, event.At, event.Tries, json.RawMessage(event.Event.Body()))
		}
	}
	for _, letter := range f.list(store.DeadLetterQuery{}) {
		whole, err := f.Letter(f.t.Context(), letter.ID)
		require.NoError(f.t, err)
		text = append(text, whole)
	}
	usage := f.Usage()
	last, err := f.Last()
	require.NoError(f.t, err)
	written, err := json.MarshalIndent(append(text, last, usage.Letters, usage.LetterBytes), "", " ")
	require.NoError(f.t, err)
	return string(written)
}
