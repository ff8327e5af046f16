package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// trap is an error that panics when the endpoint's actor asks what it says.
type trap struct{}

func (trap) Error() string { panic("a bug in the actor") }

func TestPanicOverAProbeLetsAnotherProbeOut(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a", CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1}}}
	e := NewEndpoint(webhook.Resolve()[0], func() float64 { return 0 }, newTestID)
	now := breakerBegan
	_, err := e.backlog.Offer(time.Time{}, newEvents(t, "a", "b", "c")...)
	require.NoError(t, err)
	require.Equal(t, retry, e.Settle(now, e.Next(now), messages.Outcome{Kind: messages.OutcomeAway}).sequel)
	require.Equal(t, BreakerOpen, e.breaker.state)

	now = now.Add(time.Minute)
	probe := e.Next(now)
	require.Nil(t, e.Next(now), "one probe")
	require.Panics(t, func() { e.Settle(now, probe, messages.Outcome{Kind: messages.OutcomeFailed, Err: trap{}}) })
	require.Len(t, e.Quarantine(probe), 1)

	second := e.Next(now)
	require.NotNil(t, second, "the endpoint is not stopped for good")
	require.Equal(t, done, e.Settle(now, second, messages.Outcome{Kind: messages.OutcomeDelivered}).sequel)
	require.Equal(t, BreakerClosed, e.breaker.state)
	requireBalanced(t, e.backlog.Ledger())
}

func TestPanicOverADeliveryFreesItsWorker(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a", Workers: 1}}
	e := NewEndpoint(webhook.Resolve()[0], func() float64 { return 0 }, newTestID)
	_, err := e.backlog.Offer(time.Time{}, newEvents(t, "a", "b")...)
	require.NoError(t, err)
	require.Len(t, e.Quarantine(e.Next(breakerBegan)), 1)
	require.NotNil(t, e.Next(breakerBegan), "the endpoint is not stopped for good")
}
