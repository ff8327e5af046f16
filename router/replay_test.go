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

// keeping runs a test with a router that keeps what its endpoints reject.
func keeping(t *testing.T, test func(t *testing.T, cfg config.Config)) {
	t.Helper()
	virtually(t, func(t *testing.T) {
		cfg := config.Default()
		cfg.BrokerID = "broker-1"
		cfg.Webhook.Enabled = true
		cfg.Webhook.IncludePayload = true
		cfg.Webhook.Defaults.CircuitBreaker.RejectionThreshold = config.NoRejectionThreshold
		test(t, cfg)
	})
}

func (r *rig) list(query store.DeadLetterQuery) []*store.DeadLetterRecord {
	r.t.Helper()
	query.Limit = 1000
	page, err := r.ListDeadLetters(context.Background(), query)
	require.NoError(r.t, err)
	require.Empty(r.t, page.Next)
	return page.Letters
}

// replay replays what was given up by now.
func (r *rig) replay(filter store.DeadLetterFilter) store.ReplayResult {
	r.t.Helper()
	advance(time.Nanosecond)
	began := time.Now().UTC()
	result, err := r.ReplayDeadLetters(context.Background(), filter, store.ReplayOptions{})
	require.NoError(r.t, err)
	require.Equal(r.t, began, result.Until)
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
		letters := r.list(store.DeadLetterQuery{})
		require.Equal(t, []string{"e1"}, eventIDs(letters))

		r.receivers["a"].answers(always(ok))
		require.Equal(t, store.ReplayResult{Chosen: 1, Accepted: 1}, r.replay(store.DeadLetterFilter{}))
		require.Empty(t, r.list(store.DeadLetterQuery{}), "it is one event again, and no letter")
		advance(0)
		sent := r.receivers["a"].arrivals()
		require.Len(t, sent, 2)
		require.Equal(t, sent[0].body, sent[1].body, "event_id, timestamp, broker_id and payload are those of before")
		require.Len(t, r.receivers["b"].arrivals(), 1)

		stats := r.endpoint("a")
		require.EqualValues(t, 2, stats.Accepted)
		require.EqualValues(t, 1, stats.AcceptedReplay)
		require.EqualValues(t, 1, stats.Of(delivery.Delivered))

		require.Zero(t, r.replay(store.DeadLetterFilter{}), "a second replay finds nothing")
		require.Zero(t, r.replay(store.DeadLetterFilter{IDs: []uuid.UUID{letters[0].ID}}), "by id neither")
	})
}

func TestReplayedEventThatIsGivenUpAgainIsANewLetter(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 1)
		advance(time.Second)
		first := r.list(store.DeadLetterQuery{})
		require.Equal(t, store.ReplayResult{Chosen: 1, Accepted: 1}, r.replay(store.DeadLetterFilter{}))
		advance(0)

		second := r.list(store.DeadLetterQuery{})
		require.Equal(t, []string{"e1"}, eventIDs(second))
		require.NotEqual(t, first[0].ID, second[0].ID)
		require.Equal(t, 1, second[0].Attempts)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.DeadRejected))
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
		require.Equal(t, store.ReplayResult{Chosen: 150, Accepted: 99, Left: 51}, result)
		require.Zero(t, r.endpoint("a").Total(delivery.KindDropped))
		require.Equal(t, store.ReplayResult{Chosen: 51, Left: 51}, r.replay(store.DeadLetterFilter{Endpoint: "a"}))

		accepted := 0
		for result.Left = 1; result.Left > 0; accepted += result.Accepted {
			result = r.replay(store.DeadLetterFilter{Endpoint: "b"})
			advance(0)
		}
		require.Equal(t, 150, accepted, "another endpoint is not held up")
		require.EqualValues(t, 151, r.endpoint("b").Of(delivery.Delivered))
	})
}

func TestReplayedEventIsEvictedAsAnyOther(t *testing.T) {
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
		require.Equal(t, store.ReplayResult{Chosen: 3, Accepted: 3}, r.replay(store.DeadLetterFilter{}))
		r.notifyMany(100, 197) // two more than fit
		advance(0)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.DroppedEvicted))
		require.Empty(t, r.list(store.DeadLetterQuery{}))
	})
}

func TestPacedReplayEndsWithTheRouter(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 20)
		advance(time.Second)
		r.receivers["a"].answers(always(ok))
		type outcome struct {
			result store.ReplayResult
			err    error
		}
		ended := make(chan outcome, 1)
		go func() {
			result, err := r.ReplayDeadLetters(context.Background(), store.DeadLetterFilter{}, store.ReplayOptions{PerSecond: 0.01})
			ended <- outcome{result, err}
		}()
		advance(150 * time.Second)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.Delivered))
		began := time.Now()
		require.NoError(t, r.Close(context.Background()))
		replay := <-ended
		require.ErrorIs(t, replay.err, messages.ErrClosed)
		require.Equal(t, 2, replay.result.Accepted)
		require.Less(t, time.Since(began), time.Minute)
		require.Len(t, r.DeadLetters(), 18, "the others are still letters")
	})
}

func TestClosedRouterShowsNoDeadLetters(t *testing.T) {
	keeping(t, func(t *testing.T, cfg config.Config) {
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a"}}
		r := newRigOf(t, cfg)
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 1)
		advance(0)
		id := r.DeadLetters()[0].ID
		require.NoError(t, r.Close(context.Background()))
		ctx := context.Background()
		_, err := r.ListDeadLetters(ctx, store.DeadLetterQuery{Limit: 1})
		require.ErrorIs(t, err, messages.ErrClosed)
		_, err = r.DeadLetter(ctx, id)
		require.ErrorIs(t, err, messages.ErrClosed)
		_, err = r.ReplayDeadLetters(ctx, store.DeadLetterFilter{}, store.ReplayOptions{})
		require.ErrorIs(t, err, messages.ErrClosed)
		_, err = r.DeleteDeadLetters(ctx, store.DeadLetterFilter{}, false)
		require.ErrorIs(t, err, messages.ErrClosed)
		require.Len(t, r.DeadLetters(), 1)
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
		advance(time.Nanosecond)

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
			counted, err := r.DeleteDeadLetters(context.Background(), c.filter, true)
			require.NoError(t, err)
			require.Equal(t, c.found, counted.Chosen, name)
			would, err := r.ReplayDeadLetters(context.Background(), c.filter, store.ReplayOptions{DryRun: true})
			require.NoError(t, err)
			require.Equal(t, c.found, would.Chosen, name)
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

		deleted, err := r.DeleteDeadLetters(context.Background(), chosen, false)
		require.NoError(t, err)
		require.Equal(t, 2, deleted.Deleted)
		require.Equal(t, []*store.DeadLetterRecord{all[0], all[2], all[3], all[5]}, r.list(store.DeadLetterQuery{}))
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

		require.Equal(t, store.ReplayResult{Chosen: 30, Accepted: 30}, r.replay(store.DeadLetterFilter{}))
		advance(time.Minute)
		again := r.list(store.DeadLetterQuery{})
		require.Len(t, again, 30)
		require.NotContains(t, again, first[0])
		require.ElementsMatch(t, eventIDs(first), eventIDs(again))

		r.receivers["a"].answers(always(ok))
		requests := len(r.receivers["a"].arrivals())
		require.Equal(t, store.ReplayResult{Chosen: 30, Accepted: 30}, r.replay(store.DeadLetterFilter{}))
		advance(time.Minute)
		require.Empty(t, r.list(store.DeadLetterQuery{}))
		require.EqualValues(t, 30, r.endpoint("a").Of(delivery.Delivered))
		require.Less(t, len(r.receivers["a"].arrivals())-requests, 30)
	})
}
