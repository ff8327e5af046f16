package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

// taking is a Sender whose endpoint takes everything.
type taking struct{}

func (taking) Close() {}
func (taking) Send(context.Context, string, []*messages.Envelope) messages.Outcome {
	return messages.Outcome{Kind: messages.OutcomeDelivered, Sent: true, Status: 200}
}

// summary is what the log says at the stop of a service with one endpoint, "a", which wants the topic "wanted" and holds
// 100 events at most; it refuses more.
func summary(t *testing.T, sender actors.Sender, topics ...string) []string {
	t.Helper()
	log := &logBuffer{}
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(5 * time.Second) }) // lets the actor system's own timers end
		cfg := config.Default()
		cfg.Webhook.Enabled, cfg.Webhook.QueueSize, cfg.Webhook.DropPolicy = true, config.MinQueueSize, config.DropNewest
		cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: "http://receiver.test", TopicFilters: []string{"wanted"}}}
		quiet := slog.New(slog.DiscardHandler)
		handle, err := router.Spawn(newActorSystem(quiet), cfg, router.WithLogger(quiet),
			router.WithSenders(func(config.Endpoint) (actors.Sender, error) { return sender, nil }))
		require.NoError(t, err)
		for _, topic := range topics {
			require.NoError(t, handle.Notify(t.Context(), &messages.MessagePublished{Topic: topic}))
			synctest.Wait()
		}
		_ = (&Service{Router: handle, log: slog.New(slog.NewTextHandler(log, nil)), shutdownTimeout: time.Second}).Stop(t.Context())
	})
	var said []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), "msg=")
		said = append(said, line)
	}
	return said
}

func TestSummaryTellsTheFateOfEveryEvent(t *testing.T) {
	for name, c := range map[string]struct {
		sender actors.Sender
		topics []string
		says   []string
	}{
		"nothing came": {taking{}, nil, nil},
		"delivered and unwanted": {taking{}, []string{"wanted", "other", "wanted", "other", "other"}, []string{
			`"summary of the mailbox" offered=5 routed=2 unwanted=3 dropped.total=0`,
			`"summary of an endpoint" endpoint=a accepted=2 delivered=2 dropped.total=0 dead_lettered.total=0 kept=0 lost=0`,
		}},
		"lost": {hung{}, []string{"wanted"}, []string{
			`"summary of the mailbox" offered=1 routed=1 unwanted=0 dropped.total=0`,
			`"summary of an endpoint" endpoint=a accepted=1 delivered=0 dropped.total=0 dead_lettered.total=1 dead_lettered.unknown_outcome=1 kept=0 lost=1`,
			`"events are LOST: they were still held, and no place keeps them" events=1 advice="set store.dir, or give shutdown_timeout more time"`,
		}},
	} {
		require.Equal(t, c.says, summary(t, c.sender, c.topics...), name)
	}
}

func TestSummaryTellsOfTheOneEventThatAFullQueueRefused(t *testing.T) {
	said := summary(t, hung{}, strings.Split(strings.Repeat("wanted,", config.MinQueueSize)+"wanted", ",")...)
	require.Contains(t, said[1], "accepted=101 delivered=0 dropped.total=1 dropped.refused=1 ")
	require.Equal(t, `"events were evicted from full queues, or refused by them" evicted=0 refused=1 `+
		`advice="give queue_size and queue_bytes more room, or the endpoints more workers"`, said[len(said)-1])
}

func TestReplayIsWorthASummaryThoughNothingCame(t *testing.T) {
	require.False(t, acceptedAny(router.Stats{Endpoints: []actors.EndpointStats{{}}}))
	require.True(t, acceptedAny(router.Stats{Mailbox: delivery.Ledger{Accepted: 1}}))
	require.True(t, acceptedAny(router.Stats{Endpoints: []actors.EndpointStats{{}, {Ledger: delivery.Ledger{Accepted: 1}}}}))
}

func TestLossSaysWhatWouldHaveKeptTheEvents(t *testing.T) {
	var log bytes.Buffer
	s := &Service{log: slog.New(slog.NewTextHandler(&log, nil))}
	s.complainOf(7)
	require.Contains(t, log.String(), "events are LOST")
	require.Contains(t, log.String(), "events=7")
	require.Contains(t, log.String(), "set store.dir")
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
}
