package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestEvictedRetryHoldsBackNothing(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Workers: 1}}
	backlog := NewBacklog(Bounds{Events: 1, Bytes: 1 << 20, Policy: config.DropOldest})
	core := newCore(webhook.Resolve()[0], backlog, func() float64 { return 0 }, newBatchID)
	now := breakerBegan
	core.next(now)
	_, err := backlog.Offer(time.Time{}, newEvent(t, "a"))
	require.NoError(t, err)
	a := core.next(now)
	require.Equal(t, retry, core.settle(now, a, messages.Outcome{Kind: messages.OutcomeAway}).next)
	require.Nil(t, core.next(now), "in order, all wait for the retry")

	signals, err := backlog.Offer(time.Time{}, newEvent(t, "b"))
	require.NoError(t, err)
	require.NotNil(t, core.next(now.Add(time.Millisecond)), "the retry was evicted, so b may go out")
	require.True(t, signals.Available, "and the endpoint hears of it")
}
