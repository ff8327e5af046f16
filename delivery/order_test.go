package delivery

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
	settings := webhook.Resolve()[0]
	settings.QueueSize = 1
	e := NewEndpoint(settings, func() float64 { return 0 }, newTestID)
	now := breakerBegan
	e.Next(now)
	_, err := e.backlog.Offer(time.Time{}, newEvent(t, "a"))
	require.NoError(t, err)
	a := e.Next(now)
	require.Equal(t, retry, e.Settle(now, a, messages.Outcome{Kind: messages.OutcomeAway}).sequel)
	require.Nil(t, e.Next(now), "in order, all wait for the retry")

	signals, err := e.backlog.Offer(time.Time{}, newEvent(t, "b"))
	require.NoError(t, err)
	require.NotNil(t, e.Next(now.Add(time.Millisecond)), "the retry was evicted, so b may go out")
	require.True(t, signals.Available, "and the endpoint hears of it")
}
