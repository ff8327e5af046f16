package service

import (
	"context"
	"fmt"
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

// hung is a Sender whose endpoint never answers.
type hung struct{}

func (hung) Close() {}
func (hung) Send(ctx context.Context, _ string, _ []*messages.Envelope) messages.Outcome {
	<-ctx.Done()
	return messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: ctx.Err()}
}

// drained is what the log says of a drain of so long a time, with so many endpoints that are hung and hold their number
// of events, the first one.
func drained(t *testing.T, endpoints int, timeout time.Duration) string {
	t.Helper()
	log := &logBuffer{}
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(5 * time.Second) }) // lets the actor system's own timers end
		cfg := config.Default()
		cfg.Webhook.Enabled, cfg.Webhook.ShutdownTimeout, cfg.Webhook.Workers = true, timeout, 2
		for i := range endpoints {
			cfg.Webhook.Endpoints = append(cfg.Webhook.Endpoints, config.Endpoint{
				Name: fmt.Sprintf("e%d", i+1), URL: "http://receiver.test", TopicFilters: []string{fmt.Sprintf("t/%d", i+1)},
			})
		}
		logger := slog.New(slog.NewTextHandler(log, nil))
		handle, err := router.Spawn(newActorSystem(logger), cfg, router.WithLogger(logger),
			router.WithSenders(func(config.Endpoint) (actors.Sender, error) { return hung{}, nil }))
		require.NoError(t, err)
		for i := range endpoints {
			for range i + 1 {
				require.NoError(t, handle.Notify(t.Context(), &messages.MessagePublished{Topic: fmt.Sprintf("t/%d", i+1)}))
			}
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		_ = (&Service{Router: handle, log: logger}).drain(ctx) // events are lost
	})
	return log.String()
}

func TestDrainSaysWhatItWaitsForOnceInFiveSeconds(t *testing.T) {
	log := drained(t, 3, 14*time.Second)
	require.Equal(t, 2, strings.Count(log, "msg=draining events=6 not_routed_yet=0 endpoints=3"), log)
	require.Equal(t, 2, strings.Count(log, `msg="draining waits for an endpoint" endpoint=e3 why="requests in flight" in_flight=2 waiting=1 retrying=0 breaker=closed`), log)
	require.Less(t, strings.Index(log, "endpoint=e3"), strings.Index(log, "endpoint=e1"), "what holds most is first")
}

func TestDrainTellsOfTenEndpointsAtATime(t *testing.T) {
	log := drained(t, 12, 6*time.Second)
	require.Equal(t, 1, strings.Count(log, "msg=draining events=78 not_routed_yet=0 endpoints=12"), log)
	require.Equal(t, 10, strings.Count(log, "draining waits for an endpoint"), log)
	require.NotContains(t, log, "endpoint=e2 why")
}

func TestDrainTellsFirstOfWhatHoldsMost(t *testing.T) {
	log := &logBuffer{}
	(&Service{log: slog.New(slog.NewTextHandler(log, nil))}).reportDrain(router.Stats{
		Mailbox: delivery.Ledger{Waiting: 5},
		Endpoints: []actors.EndpointStats{
			{Name: "a", Ledger: delivery.Ledger{InFlight: 2}},
			{Name: "b", Ledger: delivery.Ledger{Retrying: 3, Waiting: 1}},
			{Name: "c", Ledger: delivery.Ledger{Waiting: 1}},
			{Name: "d", Ledger: delivery.Ledger{Accepted: 7}},
		},
	})
	var said []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), "msg=")
		said = append(said, line)
	}
	require.Equal(t, []string{
		"draining events=12 not_routed_yet=5 endpoints=3",
		`"draining waits for an endpoint" endpoint=b why="waiting for a retry" in_flight=0 waiting=1 retrying=3 breaker=closed`,
		`"draining waits for an endpoint" endpoint=a why="requests in flight" in_flight=2 waiting=0 retrying=0 breaker=closed`,
		`"draining waits for an endpoint" endpoint=c why="waiting to be sent" in_flight=0 waiting=1 retrying=0 breaker=closed`,
	}, said)
}

func TestShortDrainSaysNothing(t *testing.T) {
	require.NotContains(t, drained(t, 1, 4*time.Second), "draining")
}

func TestWhyAnEndpointHoldsEvents(t *testing.T) {
	for want, endpoint := range map[string]actors.EndpointStats{
		"breaker open": {Breaker: delivery.BreakerOpen, Ledger: delivery.Ledger{Waiting: 1, InFlight: 1}},
		"breaker half open: its probe is in flight": {Breaker: delivery.BreakerHalfOpen, Ledger: delivery.Ledger{Waiting: 1, InFlight: 1}},
		"requests in flight":                        {Ledger: delivery.Ledger{Waiting: 1, InFlight: 1, Retrying: 1}},
		"waiting for a retry":                       {Ledger: delivery.Ledger{Waiting: 1, Retrying: 1}},
		"waiting to be sent":                        {Ledger: delivery.Ledger{Waiting: 1}},
	} {
		require.Equal(t, want, whyHeld(endpoint))
	}
}
