package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
)

// trap is an error that panics when the endpoint's actor asks what it says.
type trap struct{}

func (trap) Error() string { panic("a bug in the actor") }

func TestPanicOverAProbeLetsAnotherProbeOut(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a", CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1}}}
	backlog := NewBacklog(Bounds{10, 1 << 20, config.DropOldest})
	c := newCore(webhook.Resolve()[0], backlog, func() float64 { return 0 })
	now := breakerBegan
	_, err := backlog.Offer(newEvents(t, "a", "b", "c")...)
	require.NoError(t, err)
	_, final := c.settle(now, c.next(now), httpclient.Outcome{Kind: httpclient.Away})
	require.False(t, final)
	require.Equal(t, BreakerOpen, c.breaker.state)

	now = now.Add(time.Minute)
	probe := c.next(now)
	require.Nil(t, c.next(now), "one probe")
	require.Panics(t, func() { c.settle(now, probe, httpclient.Outcome{Kind: httpclient.Failed, Err: trap{}}) })
	require.True(t, c.panicked(probe))

	second := c.next(now)
	require.NotNil(t, second, "the endpoint is not stopped for good")
	_, final = c.settle(now, second, httpclient.Outcome{Kind: httpclient.Delivered})
	require.True(t, final)
	require.Equal(t, BreakerClosed, c.breaker.state)
	requireBalanced(t, backlog.Ledger())
}
