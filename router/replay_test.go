package router_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// keeping runs a test twice: with dead letters in files, and in memory only.
func keeping(t *testing.T, test func(t *testing.T, cfg config.Config)) {
	t.Helper()
	for name, dir := range map[string]string{"files": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				cfg := config.Default()
				cfg.BrokerID = "broker-1"
				cfg.Webhook.Enabled = true
				cfg.Webhook.IncludePayload = true
				cfg.Webhook.Defaults.CircuitBreaker.RejectionThreshold = config.NoRejectionThreshold
				cfg.DeadLetters.Dir = config.Path(dir)
				test(t, cfg)
			})
		})
	}
}

func (r *rig) list(query store.DeadLetterQuery) []*store.DeadLetterRecord {
	r.t.Helper()
	query.Limit = 1000
	page, err := r.ListDeadLetters(context.Background(), query)
	require.NoError(r.t, err)
	require.Empty(r.t, page.Next)
	return page.Letters
}

func (r *rig) replay(filter store.DeadLetterFilter) store.ReplayResult {
	r.t.Helper()
	result, err := r.ReplayDeadLetters(context.Background(), filter)
	require.NoError(r.t, err)
	require.Equal(r.t, time.Now().UTC(), result.Until)
	result.Until = time.Time{}
	return result
}

func eventIDs(letters []*store.DeadLetterRecord) []string {
	var ids []string
	for _, letter := range letters {
		ids = append(ids, letter.EventID)
	}
	return ids
}

func TestReplayDeliversTheSameEventToItsEndpointAlone(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}, {Name: "b"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "<t>", Payload: []byte("payload")})
		event.ID = "e1"
		require.NoError(t, r.NotifyAll(context.Background(), event))
		advance(time.Hour)
		require.Equal(t, []string{"e1"}, eventIDs(r.list(store.DeadLetterQuery{})))

		r.receivers["a"].answers(always(ok))
		require.Equal(t, store.ReplayResult{Accepted: 1}, r.replay(store.DeadLetterFilter{}))
		advance(0)
		sent := r.receivers["a"].arrivals()
		require.Len(t, sent, 2)
		require.Equal(t, sent[0].body, sent[1].body, "event_id, timestamp, broker_id and payload are those of before")
		require.Len(t, r.receivers["b"].arrivals(), 1)

		stats := r.endpoint("a")
		require.EqualValues(t, 2, stats.Accepted)
		require.EqualValues(t, 1, stats.AcceptedReplay)
		require.EqualValues(t, 1, stats.Of(delivery.Delivered))
		require.Empty(t, r.list(store.DeadLetterQuery{}))
		replayed := r.list(store.DeadLetterQuery{Replayed: store.ReplayedOnly})
		require.Len(t, replayed, 1)
		require.Equal(t, &store.Replayed{Time: time.Now().UTC(), Fate: "delivered"}, replayed[0].Replayed)

		require.Zero(t, r.replay(store.DeadLetterFilter{}), "a second replay finds nothing")
		require.Zero(t, r.replay(store.DeadLetterFilter{IDs: []uuid.UUID{replayed[0].ID}}), "by id neither")
	})
}

func TestReplayedEventThatIsGivenUpAgainMakesALetterOfItsOwn(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 1)
		advance(time.Second)
		first := r.list(store.DeadLetterQuery{})
		require.Equal(t, store.ReplayResult{Accepted: 1}, r.replay(store.DeadLetterFilter{}))
		advance(0)

		second := r.list(store.DeadLetterQuery{})
		require.Equal(t, []string{"e1"}, eventIDs(second))
		require.NotEqual(t, first[0].ID, second[0].ID)
		closed := r.list(store.DeadLetterQuery{Replayed: store.ReplayedOnly})
		require.Len(t, closed, 1)
		require.Equal(t, first[0].ID, closed[0].ID)
		require.Equal(t, store.FateDeadLettered, closed[0].Replayed.Fate)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.DeadRejected))
	})
}

func TestLetterThatIsBeingReplayedIsNotReplayedTwice(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 20)
		advance(0)
		r.receivers["a"].answers(always(ok))
		r.receivers["a"].takes(time.Second)
		require.Equal(t, store.ReplayResult{Accepted: 20}, r.replay(store.DeadLetterFilter{}))
		advance(time.Second + time.Millisecond) // five of them
		require.Equal(t, store.ReplayResult{Replaying: 15}, r.replay(store.DeadLetterFilter{}))
		underWay := r.list(store.DeadLetterQuery{})
		require.Len(t, underWay, 15)
		require.True(t, underWay[0].Replaying)
		advance(time.Minute)
		require.EqualValues(t, 20, r.endpoint("a").Of(delivery.Delivered))
		require.Empty(t, r.list(store.DeadLetterQuery{}))
		require.Zero(t, r.replay(store.DeadLetterFilter{}))
	})
}

func TestReplayStopsWhereTheQueueIsFullAndEvictsNothing(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.QueueSize = 100
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}, {Name: "b"}}
		r := newRigOf(t, cfg)
		for _, receiver := range r.receivers {
			receiver.answers(always(badRequest))
		}
		for i := range 150 {
			require.NoError(t, r.notify(fmt.Sprintf("e%d", i+1), "t"))
			advance(0)
		}
		r.receivers["a"].answers(always(ok))
		r.receivers["a"].takes(time.Hour)
		r.receivers["b"].answers(always(ok))
		require.NoError(t, r.notify("new", "t"))
		advance(0)

		result := r.replay(store.DeadLetterFilter{Endpoint: "a"})
		require.Equal(t, store.ReplayResult{Accepted: 99, Left: 51}, result)
		require.Zero(t, r.endpoint("a").Total(delivery.KindDropped))
		require.Equal(t, store.ReplayResult{Replaying: 99, Left: 51}, r.replay(store.DeadLetterFilter{Endpoint: "a"}))

		accepted := 0
		for result.Left = 1; result.Left > 0; accepted += result.Accepted {
			result = r.replay(store.DeadLetterFilter{Endpoint: "b"})
			advance(0)
		}
		require.Equal(t, 150, accepted, "another endpoint is not held up")
		require.EqualValues(t, 151, r.endpoint("b").Of(delivery.Delivered))
	})
}

func TestReplayedEventThatIsEvictedStaysADeadLetter(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.QueueSize = 100
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", Workers: 1}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 3)
		advance(0)
		r.receivers["a"].answers(always(ok))
		r.receivers["a"].takes(time.Hour)
		require.NoError(t, r.notify("in flight", "t"))
		advance(0)
		require.Equal(t, store.ReplayResult{Accepted: 3}, r.replay(store.DeadLetterFilter{}))
		r.notifyMany(100, 197) // two more than fit
		advance(0)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.DroppedEvicted))
		letters := r.list(store.DeadLetterQuery{})
		require.Equal(t, []string{"e1", "e2", "e3"}, eventIDs(letters))
		require.Equal(t, []bool{false, false, true}, []bool{letters[0].Replaying, letters[1].Replaying, letters[2].Replaying})
		r.receivers["a"].takes(0)
		advance(2 * time.Hour) // the third was delivered
		require.Equal(t, store.ReplayResult{Accepted: 2}, r.replay(store.DeadLetterFilter{}))
		advance(0)
		require.Empty(t, r.list(store.DeadLetterQuery{}))
	})
}

func TestShutdownDuringAReplayKeepsItsEvents(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.DeadLetters.Dir = config.Path(dir)
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	virtually(t, func(t *testing.T) {
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 20)
		advance(0)
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth <= 23 {
				return ok
			}
			return refused
		})
		require.Equal(t, store.ReplayResult{Accepted: 20}, r.replay(store.DeadLetterFilter{}))
		require.NoError(t, r.Close(context.Background()))
		require.EqualValues(t, 3, r.endpoint("a").Of(delivery.Delivered))
		_, err := r.ListDeadLetters(context.Background(), store.DeadLetterQuery{Limit: 1})
		require.ErrorIs(t, err, messages.ErrClosed)
		_, err = r.ReplayDeadLetters(context.Background(), store.DeadLetterFilter{})
		require.ErrorIs(t, err, messages.ErrClosed)
	})
	virtually(t, func(t *testing.T) {
		r := newRigOf(t, cfg)
		letters := r.list(store.DeadLetterQuery{})
		require.Len(t, letters, 17)
		for _, letter := range letters {
			require.Equal(t, "shutdown", letter.Reason)
		}
		require.Len(t, r.list(store.DeadLetterQuery{Replayed: store.ReplayedOnly}), 20)
		require.Equal(t, store.ReplayResult{Accepted: 17}, r.replay(store.DeadLetterFilter{}))
		advance(0)
		require.Len(t, r.receivers["a"].arrivals(), 17)
	})
}

func TestLetterOfAnEndpointThatIsGoneStaysOpen(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.DeadLetters.Dir = config.Path(dir)
	for _, endpoint := range []string{"old", "new"} {
		virtually(t, func(t *testing.T) {
			cfg.Webhook.Endpoints = []config.Endpoint{{Name: endpoint}}
			r := newRigOf(t, cfg)
			r.receivers[endpoint].answers(always(badRequest))
			r.notifyMany(1, 2)
			advance(0)
			if endpoint == "new" {
				require.Equal(t, store.ReplayResult{UnknownEndpoint: 2}, r.replay(store.DeadLetterFilter{Endpoint: "old"}))
				require.Len(t, r.list(store.DeadLetterQuery{}), 4)
			}
		})
	}
}

func TestEventThatIsTooLargeForItsQueueNowStaysADeadLetter(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.IncludePayload = true
	cfg.DeadLetters.Dir = config.Path(dir)
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	virtually(t, func(t *testing.T) {
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		require.NoError(t, r.Notify(context.Background(), &messages.MessagePublished{ClientID: "c", Topic: "t", Payload: make([]byte, 200<<10)}))
		advance(0)
	})
	virtually(t, func(t *testing.T) {
		cfg.Webhook.MaxPayloadBytes, cfg.Webhook.QueueBytes = 10<<10, 128<<10
		r := newRigOf(t, cfg)
		require.Equal(t, store.ReplayResult{TooLarge: 1}, r.replay(store.DeadLetterFilter{}))
		require.Zero(t, r.endpoint("a").Accepted)
		require.Len(t, r.list(store.DeadLetterQuery{}), 1)
	})
}

func TestDeadLettersAreFoundByWhatIsKnownOfThem(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}, {Name: "b", Retry: config.Retry{MaxAttempts: 1}}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.receivers["b"].answers(always(serverError))
		began := time.Now()
		r.notifyMany(1, 2)
		advance(time.Hour)
		require.NoError(t, r.Notify(context.Background(), &messages.AuthSuccess{ClientID: "c"}))
		advance(0)

		for name, c := range map[string]struct {
			filter store.DeadLetterFilter
			found  int
		}{
			"all":            {store.DeadLetterFilter{}, 6},
			"endpoint":       {store.DeadLetterFilter{Endpoint: "a"}, 3},
			"type":           {store.DeadLetterFilter{Type: "auth.success"}, 2},
			"published":      {store.DeadLetterFilter{Type: "message.published"}, 4},
			"since":          {store.DeadLetterFilter{Since: began.Add(time.Hour)}, 2},
			"until":          {store.DeadLetterFilter{Until: began.Add(time.Hour)}, 4},
			"error":          {store.DeadLetterFilter{Error: "status 4"}, 3},
			"reason":         {store.DeadLetterFilter{Error: "max_att"}, 3},
			"all of them":    {store.DeadLetterFilter{Endpoint: "a", Type: "message.published", Error: "400", Until: began.Add(time.Hour)}, 2},
			"contradictory":  {store.DeadLetterFilter{Endpoint: "a", Error: "500"}, 0},
			"an unknown id":  {store.DeadLetterFilter{IDs: []uuid.UUID{uuid.New()}}, 0},
			"no such a name": {store.DeadLetterFilter{Endpoint: "c"}, 0},
		} {
			require.Len(t, r.list(store.DeadLetterQuery{DeadLetterFilter: c.filter}), c.found, name)
		}
		all := r.list(store.DeadLetterQuery{})
		chosen := store.DeadLetterFilter{IDs: []uuid.UUID{all[1].ID, all[4].ID}}
		require.Equal(t, []*store.DeadLetterRecord{all[1], all[4]}, r.list(store.DeadLetterQuery{DeadLetterFilter: chosen}))

		for i, letter := range all {
			page, err := r.ListDeadLetters(context.Background(), store.DeadLetterQuery{Limit: 2, After: letter.ID})
			require.NoError(t, err)
			require.Equal(t, all[i+1:min(i+3, 6)], page.Letters)
			require.Equal(t, i+3 < 6, page.Next != "")
			shown, err := r.DeadLetter(context.Background(), letter.ID)
			require.NoError(t, err)
			require.Contains(t, string(shown.Event), `"event_id":"`+letter.EventID+`"`)
		}
		_, err := r.DeadLetter(context.Background(), uuid.New())
		require.ErrorIs(t, err, store.ErrNoDeadLetter)
		_, err = r.ListDeadLetters(context.Background(), store.DeadLetterQuery{Limit: 2, After: uuid.New()})
		require.ErrorIs(t, err, store.ErrNoDeadLetter)
	})
}

func TestReplayedEventsGoOutInBatchesAndEndOneByOne(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Defaults.CircuitBreaker.FailureThreshold = 100 // a batch of which nothing is taken counts
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", Workers: 1, Batch: config.Batch{MaxEvents: 10}}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 30)
		advance(time.Minute)
		first := r.list(store.DeadLetterQuery{})
		require.Len(t, first, 30)

		require.Equal(t, store.ReplayResult{Accepted: 30}, r.replay(store.DeadLetterFilter{}))
		advance(time.Minute)
		again := r.list(store.DeadLetterQuery{})
		require.Len(t, again, 30)
		require.NotContains(t, again, first[0])
		require.ElementsMatch(t, eventIDs(first), eventIDs(again))

		r.receivers["a"].answers(always(ok))
		requests := len(r.receivers["a"].arrivals())
		require.Equal(t, store.ReplayResult{Accepted: 30}, r.replay(store.DeadLetterFilter{}))
		advance(time.Minute)
		require.Empty(t, r.list(store.DeadLetterQuery{}))
		require.EqualValues(t, 30, r.endpoint("a").Of(delivery.Delivered))
		require.Less(t, len(r.receivers["a"].arrivals())-requests, 30)
		require.Len(t, r.list(store.DeadLetterQuery{Replayed: store.ReplayedOnly}), 60)
	})
}
