package router_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

// keptRig is a rig whose router has a store on a disk that outlives it.
type keptRig struct {
	*rig
	disk  *storetest.Disk
	store *store.Store
	cfg   config.Config
	room  config.ByteSize // of the store; 0: more than is needed
}

func newKeptRig(t *testing.T, change func(*config.Config), endpoints ...config.Endpoint) *keptRig {
	t.Helper()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.IncludePayload = true
	cfg.Webhook.Endpoints = endpoints
	cfg.Store.CommitDelay = 10 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	return startKept(t, cfg, 0)
}

func startKept(t *testing.T, cfg config.Config, room config.ByteSize) *keptRig {
	t.Helper()
	k := &keptRig{disk: storetest.NewDisk(), cfg: cfg, room: room}
	k.start(t)
	return k
}

func (k *keptRig) start(t *testing.T) {
	t.Helper()
	settings := k.cfg.Store
	settings.MaxBytes = k.room
	opened, err := store.Open(k.disk.Keeper(), settings, k.cfg.DeadLetters, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = opened.Close() })
	k.store, k.rig = opened, newRigOf(t, k.cfg, router.WithStore(opened))
}

// crash ends the process as far as the disk sees it, and starts the next one, in which every endpoint is well.
func (k *keptRig) crash() {
	k.t.Helper()
	k.disk.CutOff()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = k.Close(ctx)
	_ = k.store.Close()
	k.start(k.t)
}

func (k *keptRig) safe(ids ...string) {
	k.t.Helper()
	for _, id := range ids {
		require.NoError(k.t, k.NotifySafe(context.Background(), published(id, "t")))
	}
}

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("e", i+1)
	}
	return ids
}

func TestWhatWasSafeIsDeliveredAfterACrash(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, nil, config.Endpoint{Name: "away", Workers: 1}, config.Endpoint{Name: "well"})
		k.receivers["away"].answers(always(refused))
		ids := numbered(50)
		k.safe(ids...)
		advance(time.Minute)
		require.Equal(t, 50, k.endpoint("away").Held())
		k.crash()
		require.EqualValues(t, 50, k.endpoint("away").AcceptedStore)
		advance(time.Minute)
		require.Equal(t, ids, k.receivers["away"].ids(), "in their order")
		require.Empty(t, k.receivers["well"].ids())
		k.crash()
		advance(time.Minute)
		require.Empty(t, k.receivers["away"].ids())
	})
}

func TestHealthyEndpointCostsNoDisk(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, nil, config.Endpoint{Name: "well"})
		k.receivers["well"].takes(time.Millisecond)
		k.safe(numbered(500)...)
		advance(time.Second)
		require.Zero(t, k.store.Stats().Written)
	})
}

func TestStopWithAStoreKeepsEverything(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, nil, config.Endpoint{Name: "away"}, config.Endpoint{Name: "slow", Workers: 2})
		k.receivers["away"].answers(always(refused))
		k.receivers["slow"].takes(3 * time.Second)
		k.safe(numbered(10)...)
		began := time.Now()
		require.NoError(t, k.Close(context.Background()))
		require.Equal(t, 3*time.Second, time.Since(began).Round(time.Second), "it waits for requests in flight and nothing else")
		require.Equal(t, 10, k.endpoint("away").Kept)
		require.EqualValues(t, 2, k.endpoint("slow").Of(delivery.Delivered))
		require.Equal(t, 8, k.endpoint("slow").Kept)
		require.NoError(t, k.store.Close())
		k.start(t)
		advance(time.Minute)
		require.ElementsMatch(t, numbered(10), k.receivers["away"].ids())
		require.ElementsMatch(t, numbered(10)[2:], k.receivers["slow"].ids())
	})
}

func TestRequestThatIsCutOffAtTheStopStaysHeld(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, nil, config.Endpoint{Name: "hung", Timeout: time.Hour})
		k.receivers["hung"].takes(time.Hour)
		k.safe("e1")
		require.NoError(t, k.Close(context.Background()))
		require.Equal(t, 1, k.endpoint("hung").Kept)
		require.NoError(t, k.store.Close())
		k.start(t)
		advance(time.Second)
		require.Equal(t, []string{"e1"}, k.receivers["hung"].ids())
	})
}

// TestQueueLargerThanMemoryIsDeliveredInOrder has events behind the window, which are 1 MiB and more.
func TestQueueLargerThanMemoryIsDeliveredInOrder(t *testing.T) {
	virtually(t, func(t *testing.T) {
		const events = 500
		k := newKeptRig(t, nil, config.Endpoint{Name: "away", Workers: 1})
		k.receivers["away"].answers(always(refused))
		for _, id := range numbered(events) {
			e := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", Payload: make([]byte, 10_000)})
			e.ID = id
			require.NoError(t, k.NotifySafe(context.Background(), e))
		}
		advance(time.Minute)
		k.receivers["away"].answers(always(ok))
		advance(10 * time.Minute)
		require.EqualValues(t, events, k.endpoint("away").Of(delivery.Delivered))
		var delivered []string
		for i, id := range k.receivers["away"].ids() {
			if i == 0 || id != delivered[len(delivered)-1] {
				delivered = append(delivered, id)
			}
		}
		require.Equal(t, numbered(events), delivered)
		require.Zero(t, k.store.Stats().Held)
	})
}

func TestFailingStoreRefusesReceiptsAndDeliversOn(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, nil, config.Endpoint{Name: "slow"})
		k.receivers["slow"].takes(time.Second)
		k.disk.Fail(func(*store.Group) error { return errors.New("no space left on device") })
		err := k.NotifySafe(context.Background(), published("first", "t"))
		require.ErrorIs(t, err, messages.ErrUnavailable)
		require.ErrorContains(t, err, "no space")
		require.ErrorIs(t, k.NotifySafe(context.Background(), published("refused", "t")), messages.ErrUnavailable)
		require.NoError(t, k.notify("unsafe", "t"))
		advance(2 * time.Second)
		require.ElementsMatch(t, []string{"first", "unsafe"}, k.receivers["slow"].ids(), "what was refused at once was not taken")
		k.disk.Fail(nil)
		advance(10 * time.Second)
		k.safe("healed")
	})
}

func TestFullStoreTakesFromWhoHoldsMost(t *testing.T) {
	for policy, fate := range map[config.DropPolicy]delivery.Fate{
		config.DropOldest: delivery.DroppedEvicted,
		config.DropNewest: delivery.DroppedRefused,
	} {
		t.Run(string(policy), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				cfg := config.Default()
				cfg.Webhook.Enabled = true
				cfg.Webhook.Endpoints = []config.Endpoint{
					{Name: "dead", TopicFilters: []string{"much"}, DropPolicy: policy},
					{Name: "away", TopicFilters: []string{"little"}, DropPolicy: policy},
				}
				k := startKept(t, cfg, 1<<20)
				for _, receiver := range k.receivers {
					receiver.answers(always(refused))
				}
				big := strings.Repeat("x", 10_000)
				for i := range 200 {
					e := messages.NewEnvelope(&messages.MessagePublished{ClientID: big, Topic: "much"})
					require.NoError(t, k.NotifySafe(context.Background(), e))
					if i%10 == 0 {
						require.NoError(t, k.NotifySafe(context.Background(), published("", "little")))
					}
				}
				require.LessOrEqual(t, k.store.Stats().Held, int64(1<<20)+20_000)
				require.Equal(t, 20, k.endpoint("away").Held(), "it keeps what it has")
				dead := k.endpoint("dead")
				require.Positive(t, dead.Of(fate))
				require.Equal(t, dead.Of(fate), dead.Total(delivery.KindDropped))
			})
		})
	}
}

func TestEventsWaitInTheRootMailboxWhileTheStoreIsOverwhelmed(t *testing.T) {
	virtually(t, func(t *testing.T) {
		k := newKeptRig(t, func(cfg *config.Config) {
			cfg.Webhook.DropPolicy, cfg.Webhook.MaxPayloadBytes = config.DropNewest, 1<<20
		}, config.Endpoint{Name: "away", QueueBytes: 1 << 30})
		k.receivers["away"].answers(always(refused))
		k.disk.Fail(func(*store.Group) error { return errors.New("broken") })
		var err error
		taken := 0
		for ; err == nil; taken++ {
			e := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t", Payload: make([]byte, 400_000)})
			err = k.NotifyAll(context.Background(), e)
			advance(0)
			require.Less(t, taken, 1000)
		}
		require.ErrorIs(t, err, messages.ErrQueueFull)
		require.Positive(t, k.Stats().Mailbox.Waiting)
		k.disk.Fail(nil)
		advance(time.Minute)
		require.Zero(t, k.Stats().Mailbox.Waiting)
	})
}
