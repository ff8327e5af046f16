package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func testNew(t *testing.T, f *fixture) {
	for range 2 {
		endpoints, err := f.Endpoints()
		require.NoError(t, err)
		require.Empty(t, endpoints)
		require.Empty(t, f.held("a"))
		require.Empty(t, f.list(store.DeadLetterQuery{}))
		stubs, err := f.Stubs("a", messages.ClassMessage, 0, 10)
		require.NoError(t, err)
		require.Empty(t, stubs)
		last, err := f.Last()
		require.NoError(t, err)
		require.Zero(t, last)
		f.restart()
	}
}

func testOrder(t *testing.T, f *fixture) {
	var group store.Group
	var want []uint64
	for i := range 30 {
		event := f.message()
		if i%3 == 1 {
			event = f.newEvent(&messages.AuthFailure{ClientID: "c", Reason: "bad"})
		} else if i%7 == 2 {
			event = f.newEvent(&messages.ClientConnected{ClientID: "c", Protocol: "mqtt5"})
		}
		group.Events = append(group.Events, event)
		group.Holds = append(group.Holds, f.hold("a", event))
		want = append(want, uint64(i+1))
	}
	f.commit(group)
	for range 2 {
		require.Equal(t, want, numbers(f.held("a")))
		found, err := f.Held("a", 10, delivery.Volume{Events: 7, Bytes: 1 << 20})
		require.NoError(t, err)
		require.Equal(t, want[10:17], numbers(found.Events))
		require.EqualValues(t, 17, found.Through)
		found, err = f.Held("a", 30, all)
		require.NoError(t, err)
		require.Equal(t, store.HeldRecords{Through: 30}, found)
		f.restart()
	}
}

func testTypes(t *testing.T, f *fixture) {
	events := []messages.Event{
		&messages.ClientConnected{ClientID: "é\"<c>", Protocol: "mqtt5"}, &messages.ClientDisconnected{ClientID: "c", Reason: "gone"},
		&messages.ClientSessionTakeover{ClientID: "c"}, &messages.MessagePublished{Topic: "a/\u2028/b", Payload: []byte{0, 1, 255}, ClientID: "p"},
		&messages.MessageDelivered{ClientID: "s", Topic: "t"}, &messages.MessageRetained{Topic: "t"}, &messages.SubscriptionCreated{ClientID: "s", TopicFilter: "$share/g/a/+"},
		&messages.SubscriptionRemoved{ClientID: "s", TopicFilter: "a/#"}, &messages.AuthSuccess{ClientID: "c"}, &messages.AuthFailure{Reason: "no"},
		&messages.AuthzPublishDenied{ClientID: "c", Topic: "x"}, &messages.AuthzSubscribeDenied{ClientID: "c", TopicFilter: "y"},
	}
	require.Len(t, events, messages.TypeCount)
	var group store.Group
	for i, event := range events {
		record := f.newEvent(event)
		group.Events = append(group.Events, record)
		h := f.hold("a", record)
		h.Tries = delivery.Tries{Attempts: i * 3, Charged: i * 2, Failures: i, Begun: i%2 == 0}
		group.Holds = append(group.Holds, h)
	}
	f.commit(group)
	f.restart()
	held := f.held("a")
	require.Len(t, held, len(events))
	for i, got := range held {
		given, h := group.Events[i].Event, group.Holds[i]
		require.Equal(t, given.Stored(), got.Event.Stored())
		require.Equal(t, h.Place, got.Place)
		require.Equal(t, h.Tries, got.Tries)
		require.True(t, h.At.Equal(got.At))
		want, err := given.Event()
		require.NoError(t, err)
		event, err := got.Event.Event()
		require.NoError(t, err)
		require.Equal(t, want, event)
	}
}

func testMost(t *testing.T, f *fixture) {
	holds := f.holding("a", 5)
	size := int64(holds[0].Size)
	for _, most := range []delivery.Volume{{}, {Events: 1}, {Bytes: 1}, {Events: 1, Bytes: 1 << 30}, {Events: 9, Bytes: 2*size - 1}} {
		found, err := f.Held("a", 2, most)
		require.NoError(t, err)
		require.Equal(t, []uint64{3}, numbers(found.Events), "the first event, however large")
		require.EqualValues(t, 3, found.Through)
		require.True(t, found.More)
	}
	found, err := f.Held("a", 0, delivery.Volume{Events: 9, Bytes: 3 * size})
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3}, numbers(found.Events))
	require.True(t, found.More)
	found, err = f.Held("a", 2, delivery.Volume{Events: 3, Bytes: 3 * size})
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 4, 5}, numbers(found.Events))
	require.False(t, found.More, "there is no more")
}

func testStubs(t *testing.T, f *fixture) {
	var group store.Group
	for i := range 20 {
		event := f.message()
		if i%2 == 0 {
			event = f.newEvent(&messages.AuthSuccess{ClientID: fmt.Sprint(i)})
		}
		group.Events, group.Holds = append(group.Events, event), append(group.Holds, f.hold("a", event))
	}
	f.commit(group)
	stubs, err := f.Stubs("a", messages.ClassAuth, 5, 3)
	require.NoError(t, err)
	var want []delivery.Stub
	for _, i := range []int{6, 8, 10} {
		want = append(want, delivery.Stub{Place: group.Holds[i].Place, Size: group.Holds[i].Size})
	}
	require.Equal(t, want, stubs)
	stubs, err = f.Stubs("a", messages.ClassClient, 0, 3)
	require.NoError(t, err)
	require.Empty(t, stubs)
}

func testEnd(t *testing.T, f *fixture) {
	holds := f.holding("a", 4)
	f.commit(store.Group{Ends: []store.EndRecord{endOf(holds[1]), endOf(holds[3])}})
	for range 2 {
		require.Equal(t, []uint64{1, 3}, numbers(f.held("a")))
		f.restart()
	}
}

func testEndAtOnce(t *testing.T, f *fixture) {
	event := f.message()
	h := f.hold("a", event)
	f.commit(store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}, Ends: []store.EndRecord{endOf(h)}})
	require.Empty(t, f.held("a"))
}

func testShared(t *testing.T, f *fixture) {
	event, other := f.message(), f.message()
	holds := []store.HoldRecord{f.shared("a", event), f.shared("b", event), f.hold("b", other)}
	f.commit(store.Group{Events: []store.EventRecord{event, other}, Holds: holds})
	f.commit(store.Group{Ends: []store.EndRecord{endOf(holds[0])}})
	for range 2 {
		require.Empty(t, f.held("a"))
		require.Equal(t, []uint64{1, 2}, numbers(f.held("b")))
		f.restart()
	}
	late := f.shared("c", event)
	f.commit(store.Group{Holds: []store.HoldRecord{late}, Ends: []store.EndRecord{endOf(holds[1])}})
	require.Len(t, f.held("c"), 1, "it was held on before the other let it go")
	f.commit(store.Group{Ends: []store.EndRecord{endOf(late)}})
	require.Empty(t, f.held("c"))
	require.Equal(t, []uint64{2}, numbers(f.held("b")))
}

func testTries(t *testing.T, f *fixture) {
	holds := f.holding("a", 2)
	tries := delivery.Tries{Attempts: 3, Charged: 2, Failures: 1, Begun: true}
	f.commit(store.Group{Tries: []store.TriesRecord{{Endpoint: "a", Place: holds[1].Place, Tries: tries}}})
	f.restart()
	held := f.held("a")
	require.Zero(t, held[0].Tries)
	require.Equal(t, tries, held[1].Tries)
}

func testApart(t *testing.T, f *fixture) {
	const endpoints = 300
	var group store.Group
	for i := range 3 * endpoints {
		event := f.message()
		group.Events = append(group.Events, event)
		group.Holds = append(group.Holds, f.hold(fmt.Sprint("endpoint-", i%endpoints), event))
	}
	f.commit(group)
	for i := range endpoints {
		held := f.held(fmt.Sprint("endpoint-", i))
		require.Equal(t, []uint64{1, 2, 3}, numbers(held))
		require.Equal(t, fmt.Sprint("event-", i+1), held[0].Event.ID)
	}
}

func testEndpoints(t *testing.T, f *fixture) {
	holds := f.holding("a", 2)
	a := store.EndpointRecord{
		Kept: delivery.Kept{Last: 2, Held: [messages.ClassCount]delivery.Volume{{Events: 2, Bytes: int64(2 * holds[0].Size)}}},
		Account: store.Account{Accepted: 9, AcceptedReplay: 1, Delivered: 4, Dropped: map[string]uint64{"evicted": 2},
			DeadLettered: map[string]uint64{"rejected": 1}},
	}
	gone := store.EndpointRecord{Kept: delivery.Kept{Last: 7}, Account: store.Account{Accepted: 7, Delivered: 7}}
	f.commit(store.Group{Endpoints: map[string]store.EndpointRecord{"a": a, "gone": gone}})
	f.restart()
	found, err := f.Endpoints()
	require.NoError(t, err)
	require.Equal(t, map[string]store.EndpointRecord{"a": a, "gone": gone}, found)
	found["a"].Account.Dropped["evicted"]++
	found["a"].Account.DeadLettered["rejected"]++
	found, err = f.Endpoints()
	require.NoError(t, err)
	require.EqualValues(t, 2, found["a"].Account.Dropped["evicted"], "it is changed by a commit alone")
	require.EqualValues(t, 1, found["a"].Account.DeadLettered["rejected"])
	require.Len(t, f.held("a"), 2, "it is the same endpoint")
}

func testLast(t *testing.T, f *fixture) {
	holds := f.holding("a", 3)
	letters := f.givingUp("a", 2)
	f.commit(store.Group{Deleted: []uuid.UUID{letters[1].Letter.ID}, Ends: []store.EndRecord{endOf(holds[2])}})
	f.restart()
	last, err := f.Last()
	require.NoError(t, err)
	require.Equal(t, store.Last{Event: 5, Letter: letters[1].Letter.ID}, last)
}

func testNotThere(t *testing.T, f *fixture) {
	f.holding("a", 1)
	before := f.dump("a", "b")
	event := f.message()
	f.event--
	h := f.hold("a", event)
	letter := f.letter(h, event)
	f.commit(store.Group{
		Tries:   []store.TriesRecord{{Endpoint: "a", Place: h.Place}},
		Letters: []store.LetterRecord{letter},
		Ends:    []store.EndRecord{endOf(h)},
		Deleted: []uuid.UUID{letter.Letter.ID},
		Replays: []store.ReplayRecord{{Letter: letter.Letter.ID, Hold: h}},
	})
	require.Equal(t, before, f.dump("a", "b"))
}

func testBeside(t *testing.T, f *fixture) {
	f.holding("a", 50)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				found, err := f.Held("a", 0, delivery.Volume{Events: 10, Bytes: 1 << 20})
				if err != nil || len(found.Events) != 10 {
					t.Errorf("read %d events beside commits: %v", len(found.Events), err)
					return
				}
				f.Usage()
			}
		})
	}
	for range 20 {
		f.holding("b", 20)
	}
	require.NoError(t, f.Reopen())
	require.NoError(t, f.Compact())
	f.holding("b", 20)
	close(done)
	readers.Wait()
}

func testCompact(t *testing.T, f *fixture) {
	holds := f.holding("a", 2000)
	f.givingUp("b", 20)
	group := store.Group{}
	for _, h := range holds[:1990] {
		group.Ends = append(group.Ends, endOf(h))
	}
	f.commit(group)
	before := f.dump("a", "b")
	require.NoError(t, f.Compact())
	require.Equal(t, before, f.dump("a", "b"))
	require.Less(t, f.Usage().FreeBytes, int64(1<<20))
	f.holding("a", 3)
	f.commit(store.Group{Ends: []store.EndRecord{endOf(holds[1995])}})
	require.Len(t, f.held("a"), 12)
	require.NoError(t, f.Reopen())
	f.restart()
	require.Len(t, f.held("a"), 12)
}

func testClosed(t *testing.T, f *fixture) {
	f.holding("a", 1)
	closed := f.Keeper
	require.NoError(t, closed.Close())
	_, err := closed.Held("a", 0, all)
	require.Error(t, err)
	_, err = closed.Commit(&store.Group{})
	require.Error(t, err)
	require.Error(t, closed.Reopen())
	require.NoError(t, closed.Close(), "again")
	f.Keeper = f.open()
	require.Len(t, f.held("a"), 1)
}

func testUsage(t *testing.T, f *fixture) {
	before := f.Usage()
	f.holding("a", 100)
	letters := f.givingUp("a", 3)
	after := f.Usage()
	require.Greater(t, after.WrittenBytes, before.WrittenBytes)
	require.Equal(t, 3, after.Letters)
	var size int64
	for _, letter := range letters {
		size += int64(letter.Letter.Event.Size())
	}
	require.Equal(t, size, after.LetterBytes)
	f.restart()
	require.Equal(t, 3, f.Usage().Letters)
	require.Equal(t, size, f.Usage().LetterBytes)
}

func testAgain(t *testing.T, f *fixture) {
	holds := f.holding("a", 6)
	given := f.givingUp("a", 4)
	event := f.message()
	places := []store.HoldRecord{f.shared("a", event), f.shared("b", event)}
	replayed := f.hold("b", store.EventRecord{Number: 0, Event: given[0].Letter.Event})
	group := store.Group{
		Events:    []store.EventRecord{event},
		Holds:     places,
		Replays:   []store.ReplayRecord{{Letter: given[0].Letter.ID, Hold: replayed}},
		Tries:     []store.TriesRecord{{Endpoint: "a", Place: holds[0].Place, Tries: delivery.Tries{Attempts: 1}}},
		Letters:   []store.LetterRecord{f.letter(places[1], event), f.letter(holds[1], store.EventRecord{Event: given[0].Letter.Event})},
		Ends:      []store.EndRecord{endOf(holds[2]), endOf(places[0])},
		Deleted:   []uuid.UUID{given[1].Letter.ID},
		Trim:      store.LetterBounds{OlderThan: given[2].Letter.Time.Add(time.Millisecond)},
		Endpoints: map[string]store.EndpointRecord{"a": {Kept: delivery.Kept{Last: f.places["a"]}}},
	}
	require.Equal(t, store.Trimmed{MaxAge: 1}, f.commit(group))
	before := f.dump("a", "b")
	for range 3 {
		require.Zero(t, f.commit(group))
		require.Equal(t, before, f.dump("a", "b"))
		require.NoError(t, f.Reopen())
		require.Equal(t, before, f.dump("a", "b"))
	}
}
