package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

const commitDelay = 10 * time.Millisecond

// rig is a store over a disk in memory, in virtual time, with an endpoint of its own for each name.
type rig struct {
	*store.Store
	t       *testing.T
	disk    *storetest.Disk
	numbers map[string]uint64
}

func virtually(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, disk: storetest.NewDisk()}
		r.open()
		test(r)
		require.NoError(t, r.Close())
	})
}

func (r *rig) open() {
	r.t.Helper()
	opened, err := store.Open(r.disk.Keeper(), config.Store{CommitDelay: commitDelay}, config.DeadLetters{}, slog.New(slog.DiscardHandler))
	require.NoError(r.t, err)
	r.Store = opened
	r.numbers = map[string]uint64{}
	for name := range opened.Endpoints() {
		r.numbers[name] = opened.Endpoint(name).Kept().Last
	}
}

func event(t *testing.T, id string) *messages.Envelope {
	t.Helper()
	e := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
	e.ID = id
	require.NoError(t, e.Admit(messages.Admission{BrokerID: "b"}, time.Now()))
	return e
}

// accept routes an event to endpoints, and returns its stub at each and its receipt.
func (r *rig) accept(id string, endpoints ...string) ([]delivery.Stub, *receipt) {
	r.t.Helper()
	e, given := event(r.t, id), &receipt{}
	var stubs []delivery.Stub
	r.Route(e)
	for _, name := range endpoints {
		r.numbers[name]++
		place := delivery.Place{Class: messages.ClassMessage, Number: r.numbers[name]}
		r.Endpoint(name).Accept(delivery.Acceptance{Place: place, Event: e, At: time.Now()})
		stubs = append(stubs, delivery.Stub{Place: place, Size: e.Size()})
	}
	r.Routed(given.give)
	return stubs, given
}

type receipt struct {
	mu    sync.Mutex
	times int
	err   error
}

func (r *receipt) give(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	r.err = err
}

// given tells whether the receipt was given, and checks that it was so once.
func (r *receipt) given(t *testing.T) (bool, error) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.LessOrEqual(t, r.times, 1)
	return r.times == 1, r.err
}

func requireNotGiven(t *testing.T, r *receipt) {
	t.Helper()
	given, _ := r.given(t)
	require.False(t, given)
}

func requireSafe(t *testing.T, r *receipt) {
	t.Helper()
	given, err := r.given(t)
	require.True(t, given)
	require.NoError(t, err)
}

func requireRefused(t *testing.T, r *receipt, cause error) {
	t.Helper()
	_, err := r.given(t)
	require.ErrorIs(t, err, cause)
}

// held are the ids of the events that an endpoint holds on the disk and in memory.
func (r *rig) held(name string) []string {
	r.t.Helper()
	read, err := r.Endpoint(name).Read(0, delivery.Volume{Events: 1000, Bytes: 1 << 20})
	require.NoError(r.t, err)
	ids := []string{}
	for _, stored := range read.Events {
		ids = append(ids, stored.Event.ID)
	}
	return ids
}

// crash is the end of the process at this moment; another one follows.
func (r *rig) crash() {
	r.t.Helper()
	before := r.Store
	r.disk.CutOff()
	_ = before.Close()
	r.open()
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestReceiptComesWithTheCommit(t *testing.T) {
	virtually(t, func(r *rig) {
		_, given := r.accept("e1", "a", "b")
		after(commitDelay - 1)
		requireNotGiven(t, given)
		r.crash()
		require.Empty(t, r.held("a"))

		_, given = r.accept("e2", "a", "b")
		after(commitDelay)
		requireSafe(t, given)
		r.crash()
		require.Equal(t, []string{"e2"}, r.held("a"))
		require.Equal(t, []string{"e2"}, r.held("b"))
	})
}

func TestWhatEndedBeforeItsGroupIsNeverWritten(t *testing.T) {
	virtually(t, func(r *rig) {
		for i := range 100 {
			stubs, given := r.accept(fmt.Sprint("e", i), "a", "b")
			after(time.Millisecond)
			r.Endpoint("a").End(stubs[0], delivery.Delivered)
			requireNotGiven(t, given)
			r.Endpoint("b").End(stubs[1], delivery.DroppedEvicted)
			requireSafe(t, given)
		}
		after(time.Second)
		stats := r.Stats()
		require.Zero(t, stats.Commits)
		require.EqualValues(t, 100, stats.Spared)
		require.Zero(t, stats.Held)
	})
}

func TestSlowDeliveryIsWrittenAndEnded(t *testing.T) {
	virtually(t, func(r *rig) {
		stubs, _ := r.accept("e1", "a")
		after(2 * commitDelay)
		require.EqualValues(t, 1, r.Stats().Written)
		r.Endpoint("a").End(stubs[0], delivery.Delivered)
		after(2 * commitDelay)
		r.crash()
		require.Empty(t, r.held("a"))
		require.Equal(t, store.Account{Accepted: 1, Delivered: 1, Dropped: map[string]uint64{}, DeadLettered: map[string]uint64{}},
			r.Endpoints()["a"].Account)
	})
}

// TestWhatEndsWhileItsGroupIsWrittenIsEndedByTheNext holds the commit up.
func TestWhatEndsWhileItsGroupIsWrittenIsEndedByTheNext(t *testing.T) {
	virtually(t, func(r *rig) {
		r.disk.Fail(func(*store.Group) error { time.Sleep(time.Second); return nil })
		stubs, given := r.accept("e1", "a")
		after(commitDelay)
		r.disk.Fail(nil)
		r.Endpoint("a").End(stubs[0], delivery.Delivered)
		require.Empty(t, r.held("a"))
		after(time.Minute)
		requireSafe(t, given)
		r.crash()
		require.Empty(t, r.held("a"))
		require.EqualValues(t, 1, r.Endpoints()["a"].Account.Delivered)
	})
}

func TestFailingKeeperGivesNoReceiptAndHeals(t *testing.T) {
	virtually(t, func(r *rig) {
		full := errors.New("no space left on device")
		r.disk.Fail(func(*store.Group) error { return full })
		_, first := r.accept("e1", "a")
		after(time.Second)
		requireRefused(t, first, messages.ErrUnavailable)
		requireRefused(t, first, full)
		require.ErrorIs(t, r.Failing(), full)
		_, second := r.accept("e2", "a")
		requireRefused(t, second, messages.ErrUnavailable)
		require.Equal(t, []string{"e1", "e2"}, r.held("a"), "what is in memory goes on being delivered")

		r.disk.Fail(nil)
		after(10 * time.Second)
		require.NoError(t, r.Failing())
		r.crash()
		require.Equal(t, []string{"e1", "e2"}, r.held("a"))
	})
}

func TestTriesComeBack(t *testing.T) {
	virtually(t, func(r *rig) {
		stubs, _ := r.accept("e1", "a")
		early := delivery.Tries{Attempts: 1, Charged: 1}
		r.Endpoint("a").Try(stubs[0].Place, early)
		after(commitDelay)
		r.crash()
		require.Equal(t, early, r.tries("a"))
		late := delivery.Tries{Attempts: 3, Charged: 2, Failures: 3, Begun: true}
		r.Endpoint("a").Try(stubs[0].Place, late)
		after(commitDelay)
		r.crash()
		require.Equal(t, late, r.tries("a"))
	})
}

func (r *rig) tries(name string) delivery.Tries {
	r.t.Helper()
	read, err := r.Endpoint(name).Read(0, delivery.Volume{Events: 1})
	require.NoError(r.t, err)
	require.Len(r.t, read.Events, 1)
	return read.Events[0].Tries
}

func TestSyncedTellsWhenAllBeforeIsSafe(t *testing.T) {
	virtually(t, func(r *rig) {
		told := 0
		tell := func(err error) { require.NoError(t, err); told++ }
		r.Synced(tell)
		require.Equal(t, 1, told, "nothing is to be written")
		r.accept("e1", "a")
		r.Synced(tell)
		after(0)
		require.Equal(t, 2, told, "it does not wait for deliveries")
		r.crash()
		require.Equal(t, []string{"e1"}, r.held("a"))
	})
}

func TestReadingGoesOnWhereTheKeeperEnds(t *testing.T) {
	virtually(t, func(r *rig) {
		for i := range 5 {
			r.accept(fmt.Sprint("committed", i), "a")
		}
		after(commitDelay)
		for i := range 5 {
			r.accept(fmt.Sprint("gathered", i), "a")
		}
		var ids []string
		after := uint64(2)
		for {
			read, err := r.Endpoint("a").Read(after, delivery.Volume{Events: 2, Bytes: 1 << 20})
			require.NoError(t, err)
			if len(read.Events) == 0 {
				require.EqualValues(t, 10, read.Through)
				break
			}
			for _, stored := range read.Events {
				ids = append(ids, stored.Event.ID)
			}
			after = read.Through
		}
		require.Equal(t, []string{"committed2", "committed3", "committed4", "gathered0", "gathered1", "gathered2", "gathered3", "gathered4"}, ids)
		stubs := r.Endpoint("a").Behind(messages.ClassMessage, 3, 4)
		require.Len(t, stubs, 4)
		require.EqualValues(t, 4, stubs[0].Number)
		require.EqualValues(t, 7, stubs[3].Number)
	})
}

func letterOf(endpoint string, e *messages.Envelope) *store.DeadLetter {
	return &store.DeadLetter{Endpoint: endpoint, Event: e, Attempts: 1, Reason: "rejected", Time: time.Now()}
}

func (r *rig) list() []*store.DeadLetterRecord {
	r.t.Helper()
	page, err := r.List(context.Background(), store.DeadLetterQuery{Limit: 100})
	require.NoError(r.t, err)
	return page.Letters
}

func TestGivingUpIsOneStepAndReplayOneStepBack(t *testing.T) {
	for name, pause := range map[string]time.Duration{"before its group": 0, "after its group": 2 * commitDelay} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(r *rig) {
				e := event(t, "e1")
				place := delivery.Place{Class: messages.ClassMessage, Number: 1}
				r.Route(e)
				r.Endpoint("a").Accept(delivery.Acceptance{Place: place, Event: e, At: time.Now()})
				r.Routed(nil)
				after(pause)
				kept := &receipt{}
				r.GiveUp(place, letterOf("a", e), kept.give)
				requireNotGiven(t, kept)
				after(commitDelay)
				requireSafe(t, kept)
				r.crash()
				require.Empty(t, r.held("a"))
				letters := r.list()
				require.Len(t, letters, 1)
				require.Equal(t, "e1", letters[0].EventID)
				require.Equal(t, map[string]uint64{"rejected": 1}, r.Endpoints()["a"].Account.DeadLettered)

				claim, err := r.TakeBack(context.Background(), letters[0].ID)
				require.NoError(t, err)
				require.Empty(t, r.list(), "it is on its way")
				_, err = r.TakeBack(context.Background(), letters[0].ID)
				require.ErrorIs(t, err, store.ErrNoDeadLetter)
				claim.End(false)
				require.Len(t, r.list(), 1)

				claim, err = r.TakeBack(context.Background(), letters[0].ID)
				require.NoError(t, err)
				place.Number = 2
				r.Endpoint("a").Accept(delivery.Acceptance{Place: place, Event: claim.Letter.Event, At: time.Now(), Replayed: true})
				claim.End(true)
				after(pause)
				require.Empty(t, r.list())
				r.crash()
				require.Empty(t, r.list())
				require.Equal(t, []string{"e1"}, r.held("a"))
				account := r.Endpoints()["a"].Account
				require.EqualValues(t, 2, account.Accepted)
				require.EqualValues(t, 1, account.AcceptedReplay)
			})
		})
	}
}

func TestReplayThatEndsBeforeItsGroupLeavesNothing(t *testing.T) {
	virtually(t, func(r *rig) {
		stubs, _ := r.accept("e1", "a")
		r.GiveUp(stubs[0].Place, letterOf("a", event(t, "e1")), func(error) {})
		letters := r.list()
		claim, err := r.TakeBack(context.Background(), letters[0].ID)
		require.NoError(t, err)
		again := delivery.Place{Class: messages.ClassMessage, Number: 2}
		r.Endpoint("a").Accept(delivery.Acceptance{Place: again, Event: claim.Letter.Event, At: time.Now(), Replayed: true})
		claim.End(true)
		r.Endpoint("a").End(delivery.Stub{Place: again, Size: claim.Letter.Event.Size()}, delivery.Delivered)
		after(2 * commitDelay)
		r.crash()
		require.Empty(t, r.list())
		require.Empty(t, r.held("a"))
		require.Zero(t, r.Stats().Held)
	})
}

func TestDeletedLettersAreGone(t *testing.T) {
	virtually(t, func(r *rig) {
		for i := range 3 {
			stubs, _ := r.accept(fmt.Sprint("e", i), "a")
			r.GiveUp(stubs[0].Place, letterOf("a", event(t, fmt.Sprint("e", i))), func(error) {})
		}
		letters := r.list()
		require.Len(t, letters, 3)
		n, err := r.Delete(context.Background(), ids(letters[:2]))
		require.NoError(t, err)
		require.Equal(t, 2, n)
		r.crash()
		require.Equal(t, ids(letters[2:]), ids(r.list()))
	})
}

func TestAccountHoldsAfterEveryCrash(t *testing.T) {
	virtually(t, func(r *rig) {
		for i := range 200 {
			stubs, _ := r.accept(fmt.Sprint("e", i), "a", "b")
			after(time.Duration(i%7) * time.Millisecond)
			switch i % 5 {
			case 0:
				r.Endpoint("a").End(stubs[0], delivery.Delivered)
			case 1:
				r.GiveUp(stubs[1].Place, letterOf("b", event(t, fmt.Sprint("e", i))), func(error) {})
			case 2:
				r.Endpoint("b").End(stubs[1], delivery.DroppedEvicted)
			}
			if i%11 == 0 {
				r.crash()
			}
			for name, record := range r.Endpoints() {
				requireBalanced(t, name, record)
			}
		}
	})
}

func requireBalanced(t *testing.T, name string, record store.EndpointRecord) {
	t.Helper()
	ended := record.Account.Delivered
	for _, n := range record.Account.Dropped {
		ended += n
	}
	for _, n := range record.Account.DeadLettered {
		ended += n
	}
	held := 0
	for _, volume := range record.Held {
		held += volume.Events
	}
	require.Equal(t, record.Account.Accepted, ended+uint64(held), "%s: %+v", name, record)
}

func TestCloseCommitsWhatIsGathered(t *testing.T) {
	virtually(t, func(r *rig) {
		_, given := r.accept("e1", "a")
		require.NoError(t, r.Close())
		requireSafe(t, given)
		r.open()
		require.Equal(t, []string{"e1"}, r.held("a"))
	})
}

func TestEventGivenUpWhileItIsRoutedIsADeadLetterOnce(t *testing.T) {
	virtually(t, func(r *rig) {
		e := event(t, "e1")
		place := delivery.Place{Class: messages.ClassMessage, Number: 1}
		r.Route(e)
		r.Endpoint("a").Accept(delivery.Acceptance{Place: place, Event: e, At: time.Now()})
		r.GiveUp(place, letterOf("a", e), func(err error) { require.NoError(t, err) })
		after(time.Second)
		r.Routed(nil)
		after(time.Second)
		require.Empty(t, r.held("a"))
		require.Len(t, r.list(), 1)
		r.crash()
		require.Empty(t, r.held("a"))
		require.Len(t, r.list(), 1)
		requireBalanced(t, "a", r.Endpoints()["a"])
	})
}

// TestCloseCommitsWhatFailedBeforeWhatCameAfter closes a store often, because chance decides what its goroutine hears first.
func TestCloseCommitsWhatFailedBeforeWhatCameAfter(t *testing.T) {
	virtually(t, func(r *rig) {
		var want []string
		for i := range 20 {
			r.disk.Fail(func(*store.Group) error { return errors.New("no space left on device") })
			before, later := fmt.Sprintf("before-%d", i), fmt.Sprintf("later-%d", i)
			r.accept(before, "a")
			after(commitDelay + time.Millisecond)
			r.accept(later, "a")
			after(commitDelay + time.Millisecond)
			r.disk.Fail(nil)
			require.NoError(t, r.Close())
			r.open()
			want = append(want, before, later)
			require.Equal(t, want, r.held("a"))
		}
	})
}

func TestCloseTellsWhatIsNotKept(t *testing.T) {
	virtually(t, func(r *rig) {
		r.disk.Fail(func(*store.Group) error { return errors.New("broken") })
		r.accept("e1", "a")
		after(time.Minute)
		require.ErrorContains(t, r.Close(), "broken")
		r.disk.Fail(nil)
		r.open()
	})
}

func TestRouterWaitsWhileTooMuchIsGathered(t *testing.T) {
	virtually(t, func(r *rig) {
		told := 0
		r.OnRoom(func() { told++ })
		r.disk.Fail(func(*store.Group) error { return errors.New("broken") })
		payload := make([]byte, 1<<20)
		n := 0
		for ; !r.Full(); n++ {
			e := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", Payload: payload})
			require.NoError(t, e.Admit(messages.Admission{IncludePayload: true, MaxPayloadBytes: len(payload)}, time.Now()))
			r.Route(e)
			r.Endpoint("a").Accept(delivery.Acceptance{Place: delivery.Place{Number: uint64(n + 1)}, Event: e, At: time.Now()})
			r.Routed(nil)
		}
		require.InDelta(t, 48, n, 16, "1 MiB in JSON is a third more")
		after(time.Second)
		require.Zero(t, told)
		r.disk.Fail(nil)
		after(10 * time.Second)
		require.Equal(t, 1, told)
		require.False(t, r.Full())
	})
}

func ids(letters []*store.DeadLetterRecord) []uuid.UUID {
	var ids []uuid.UUID
	for _, letter := range letters {
		ids = append(ids, letter.ID)
	}
	return ids
}

// TestYoungEventsAreNotWrittenBesideAnOldOne has one event that takes long among others that end in time.
func TestYoungEventsAreNotWrittenBesideAnOldOne(t *testing.T) {
	virtually(t, func(r *rig) {
		_, slow := r.accept("slow", "a")
		for i := range 20 {
			stubs, _ := r.accept(fmt.Sprint("quick", i), "a")
			after(time.Millisecond)
			r.Endpoint("a").End(stubs[0], delivery.Delivered)
		}
		requireSafe(t, slow)
		stats := r.Stats()
		require.EqualValues(t, 1, stats.Written)
		require.EqualValues(t, 20, stats.Spared)
	})
}

// TestLetterFollowsWithItsEvent gives up an event that is too young for the group that another one is due for.
func TestLetterFollowsWithItsEvent(t *testing.T) {
	virtually(t, func(r *rig) {
		for range 5 { // so that a group waits
			stubs, _ := r.accept("quick", "a")
			r.Endpoint("a").End(stubs[0], delivery.Delivered)
		}
		r.accept("old", "a")
		after(commitDelay / 2)
		e, kept := event(t, "young"), &receipt{}
		place := delivery.Place{Class: messages.ClassMessage, Number: 7}
		r.Route(e)
		r.Endpoint("a").Accept(delivery.Acceptance{Place: place, Event: e, At: time.Now()})
		r.Routed(nil)
		r.GiveUp(place, letterOf("a", e), kept.give)
		after(commitDelay / 2)
		requireNotGiven(t, kept)
		requireBalanced(t, "a", r.Endpoints()["a"])
		after(commitDelay / 2)
		requireSafe(t, kept)
		r.crash()
		require.Equal(t, []string{"old"}, r.held("a"))
		require.Len(t, r.list(), 1)
		requireBalanced(t, "a", r.Endpoints()["a"])
	})
}
