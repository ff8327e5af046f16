package actors

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
	backlog := NewBacklog(Bounds{10, 1 << 20, config.DropOldest})
	c := newCore(webhook.Resolve()[0], backlog, func() float64 { return 0 }, newBatchID)
	now := breakerBegan
	_, err := backlog.Offer(time.Time{}, newEvents(t, "a", "b", "c")...)
	require.NoError(t, err)
	require.Equal(t, retry, c.settle(now, c.next(now), messages.Outcome{Kind: messages.OutcomeAway}).next)
	require.Equal(t, BreakerOpen, c.breaker.state)

	now = now.Add(time.Minute)
	probe := c.next(now)
	require.Nil(t, c.next(now), "one probe")
	require.Panics(t, func() { c.settle(now, probe, messages.Outcome{Kind: messages.OutcomeFailed, Err: trap{}}) })
	require.True(t, c.quarantine(probe))

	second := c.next(now)
	require.NotNil(t, second, "the endpoint is not stopped for good")
	require.Equal(t, done, c.settle(now, second, messages.Outcome{Kind: messages.OutcomeDelivered}).next)
	require.Equal(t, BreakerClosed, c.breaker.state)
	requireBalanced(t, backlog.Ledger())
}
