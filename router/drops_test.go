package router_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

func TestFullEndpointDropsByItsPolicyAndCountsExactly(t *testing.T) {
	const queueSize, workers, more = 100, 2, 1000
	for policy, test := range map[config.DropPolicy]struct {
		fate  delivery.Fate
		first int // of those that are left besides the two in flight
	}{
		config.DropOldest: {delivery.DroppedEvicted, workers + more - (queueSize - workers) + 1},
		config.DropNewest: {delivery.DroppedRefused, workers + 1},
	} {
		t.Run(string(policy), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				r := newRig(t, nil,
					config.Endpoint{Name: "slow", Workers: workers, QueueSize: queueSize, DropPolicy: policy},
					config.Endpoint{Name: "fast"})
				r.receivers["slow"].takes(time.Second)
				r.notifyMany(1, workers)
				advance(0)
				r.notifyMany(workers+1, workers+more)
				advance(0)

				stats := r.endpoint("slow")
				require.EqualValues(t, workers+more, stats.Accepted)
				require.EqualValues(t, workers+more-queueSize, stats.Of(test.fate))
				require.Equal(t, stats.Of(test.fate), stats.Total(delivery.KindDropped))
				require.Equal(t, []int{workers, queueSize - workers}, []int{stats.InFlight, stats.Waiting})
				require.EqualValues(t, workers+more, r.endpoint("fast").Of(delivery.Delivered))
				require.Zero(t, r.Stats().Mailbox.Total(delivery.KindDropped), "an endpoint's drops are its own")

				advance(time.Minute)
				left := []string{"e1", "e2"}
				for i := range queueSize - workers {
					left = append(left, fmt.Sprintf("e%d", test.first+i))
				}
				require.ElementsMatch(t, left, r.receivers["slow"].ids())
				require.EqualValues(t, queueSize, r.endpoint("slow").Of(delivery.Delivered))
			})
		})
	}
}

func TestDeadEndpointIsBoundedByBytesToo(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.IncludePayload, w.MaxPayloadBytes = true, 100<<10 },
			config.Endpoint{Name: "away", QueueBytes: 1 << 20})
		r.receivers["away"].answers(always(refused))
		for range 100 {
			event := &messages.MessagePublished{ClientID: "c", Topic: "t", Payload: make([]byte, 75_000)} // 100,000 in base64
			require.NoError(t, r.Notify(context.Background(), event))
			advance(time.Second)
		}
		stats := r.endpoint("away")
		require.Equal(t, 10, stats.Held())
		require.LessOrEqual(t, stats.Bytes, int64(1<<20))
		require.EqualValues(t, 90, stats.Of(delivery.DroppedEvicted))
	})
}

// dropLine is one line of the log about drops.
type dropLine struct {
	at     time.Time
	events int
}

var dropPattern = regexp.MustCompile(`time=(\S+) .*msg="events dropped".* events=(\d+)`)

// dropsTold are the lines about drops, of an endpoint or else ("") of the root mailbox.
func (r *rig) dropsTold(endpoint string) []dropLine {
	r.t.Helper()
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	var lines []dropLine
	for line := range strings.Lines(r.log.buffer.String()) {
		match := dropPattern.FindStringSubmatch(line)
		if match == nil || strings.Contains(line, "endpoint="+endpoint) != (endpoint != "") {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, match[1])
		require.NoError(r.t, err)
		events, err := strconv.Atoi(match[2])
		require.NoError(r.t, err)
		lines = append(lines, dropLine{at, events})
	}
	return lines
}

func sum(lines []dropLine) (events uint64) {
	for _, line := range lines {
		events += uint64(line.events)
	}
	return events
}

// requireCalm checks that no two lines are less than a second apart.
func requireCalm(t *testing.T, lines []dropLine) {
	t.Helper()
	for i := 1; i < len(lines); i++ {
		require.GreaterOrEqual(t, lines[i].at.Sub(lines[i-1].at), time.Second)
	}
}

func TestDropsAreToldOnceASecondAndAddUp(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = 100 }, config.Endpoint{Name: "hung"})
		r.receivers["hung"].takes(time.Hour)
		for range 35 {
			r.notifyMany(1, 40)
			require.ErrorIs(t, r.NotifyAll(context.Background(), batchOf(101, "large")...), messages.ErrTooLarge)
			advance(100 * time.Millisecond)
		}
		advance(2 * time.Second)

		endpoint, mailbox := r.dropsTold("hung"), r.dropsTold("")
		requireCalm(t, endpoint)
		requireCalm(t, mailbox)
		require.EqualValues(t, 35*40-100, sum(endpoint))
		require.Equal(t, r.endpoint("hung").Total(delivery.KindDropped), sum(endpoint))
		require.EqualValues(t, 35*101, sum(mailbox))
		require.Equal(t, r.Stats().Mailbox.Of(delivery.DroppedTooLarge), sum(mailbox))
		require.Len(t, mailbox, 5, "at 0, 1, 2, 3 and 4 s")

		advance(time.Hour)
		require.Len(t, r.dropsTold(""), 5, "when nothing is dropped nothing is told")
	})
}

func TestDropsOfTheLastSecondAreToldBeforeTheEnd(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) { w.QueueSize = 100 }, config.Endpoint{Name: "a"})
		r.receivers["a"].takes(time.Millisecond)
		for range 2 {
			r.notifyMany(1, 300)
			require.Error(t, r.NotifyAll(context.Background(), batchOf(101, "large")...))
			advance(0)
		}
		require.NoError(t, r.Close(context.Background()))
		require.NotZero(t, sum(r.dropsTold("a")))
		require.Equal(t, r.endpoint("a").Total(delivery.KindDropped), sum(r.dropsTold("a")))
		require.Equal(t, r.Stats().Mailbox.Total(delivery.KindDropped), sum(r.dropsTold("")))
	})
}

// batchOf makes so many events whose ids begin with the prefix.
func batchOf(size int, prefix string) []*messages.Envelope {
	var batch []*messages.Envelope
	for i := range size {
		event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
		event.ID = fmt.Sprintf("%s-%d", prefix, i)
		batch = append(batch, event)
	}
	return batch
}

func TestBatchLargerThanTheQueueIsRefusedWhole(t *testing.T) {
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		virtually(t, func(t *testing.T) {
			r := newRig(t, func(w *config.Webhook) { w.QueueSize, w.DropPolicy = 100, policy }, config.Endpoint{Name: "a"})
			require.ErrorIs(t, r.NotifyAll(context.Background(), batchOf(101, "large")...), messages.ErrTooLarge)
			require.NoError(t, r.NotifyAll(context.Background(), batchOf(100, "fits")...))
			require.NoError(t, r.NotifyAll(context.Background()), "no event at all")
			advance(0)
			require.Len(t, r.receivers["a"].arrivals(), 100)
			require.EqualValues(t, 101, r.Stats().Mailbox.Of(delivery.DroppedTooLarge))
		})
	}
}

func TestBatchWithANilEventIsRefusedWhole(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		require.Error(t, r.NotifyAll(context.Background(), append(batchOf(1, "e"), nil)...))
		r.system.Root.Send(r.PID(), (*messages.Envelope)(nil))
		advance(0)
		require.Empty(t, r.receivers["a"].arrivals())
		require.EqualValues(t, 1, r.Stats().Mailbox.Of(delivery.DroppedInvalid))
	})
}

func TestTextThatIsTooLongIsRefused(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		event := &messages.AuthFailure{ClientID: strings.Repeat("x", messages.MaxTextBytes+1)}
		var field *messages.FieldError
		require.ErrorAs(t, r.Notify(context.Background(), event), &field)
		require.Equal(t, "data.client_id", field.Field)
		r.system.Root.Send(r.PID(), event)
		advance(0)
		require.Empty(t, r.receivers["a"].arrivals())
		require.EqualValues(t, 1, r.Stats().Mailbox.Of(delivery.DroppedInvalid))
	})
}

func TestProducersInParallelBalanceTheMailbox(t *testing.T) {
	const producers, batches, size = 6, 200, 7
	for _, policy := range []config.DropPolicy{config.DropOldest, config.DropNewest} {
		t.Run(string(policy), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				r := newRig(t, func(w *config.Webhook) { w.QueueSize, w.DropPolicy = 100, policy },
					config.Endpoint{Name: "a", Events: []string{"message.published"}, QueueSize: 100_000})
				taken := r.produce(producers, batches, size)
				advance(0)

				mailbox := r.Stats().Mailbox
				require.EqualValues(t, producers*batches*(size+1), mailbox.Accepted)
				requireMailboxBalanced(t, mailbox)
				require.Zero(t, mailbox.Held())
				require.EqualValues(t, mailbox.Of(delivery.Routed), r.endpoint("a").Of(delivery.Delivered))
				if policy == config.DropNewest {
					require.EqualValues(t, len(taken)*size, mailbox.Of(delivery.Routed))
					requireWholeBatches(t, taken, size, r.receivers["a"].ids())
				}
			})
		})
	}
}

// produce lets producers offer batches of wanted events, and an unwanted event after each, and reads the account between.
// It returns the names of the batches that were taken.
func (r *rig) produce(producers, batches, size int) map[string]bool {
	taken := map[string]bool{}
	var mu sync.Mutex
	var producing sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for b := range batches {
				name := fmt.Sprintf("%d-%d", p, b)
				if err := r.NotifyAll(context.Background(), batchOf(size, name)...); err == nil {
					mu.Lock()
					taken[name] = true
					mu.Unlock()
				}
				_ = r.Notify(context.Background(), &messages.AuthSuccess{ClientID: "c"})
				requireMailboxBalanced(r.t, r.Stats().Mailbox)
			}
		})
	}
	producing.Wait()
	return taken
}

func requireMailboxBalanced(t *testing.T, mailbox delivery.Ledger) {
	t.Helper()
	if accounted := mailbox.Of(delivery.Routed) + mailbox.Of(delivery.Unwanted) + mailbox.Total(delivery.KindDropped) +
		uint64(mailbox.Held()); mailbox.Accepted != accounted {
		t.Errorf("offered %d, but routed + unwanted + dropped + queued = %d", mailbox.Accepted, accounted)
	}
}

func requireWholeBatches(t *testing.T, taken map[string]bool, size int, arrived []string) {
	t.Helper()
	arrivals := map[string]int{}
	for _, id := range arrived {
		arrivals[id[:strings.LastIndex(id, "-")]]++
	}
	require.Len(t, arrivals, len(taken))
	for name := range taken {
		require.Equal(t, size, arrivals[name], "batch %s", name)
	}
}
