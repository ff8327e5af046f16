package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestHaltLeavesNoEventWithoutAFate(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Workers: 2}}
	e := NewEndpoint(webhook.Resolve()[0], func() float64 { return 0 }, newTestID)
	_, err := e.backlog.Offer(breakerBegan, newEvents(t, "retrying", "flying", "waiting")...)
	require.NoError(t, err)
	retrying, flying := e.Next(breakerBegan), e.Next(breakerBegan)
	require.False(t, e.Settle(breakerBegan, retrying, messages.Outcome{Kind: messages.OutcomeFailed, Status: 500}).DeadLettered())
	require.NotNil(t, flying)

	reasons := map[string]string{}
	for _, v := range e.Halt() {
		require.True(t, v.DeadLettered())
		reasons[idsOf(v.Events())] = v.Fate.Reason()
		for _, event := range v.Events() {
			e.backlog.Leave(event, false)
		}
	}
	require.Equal(t, map[string]string{"retrying": "shutdown", "flying": "unknown_outcome", "waiting": "shutdown"}, reasons)
	require.True(t, e.backlog.Empty())
	requireBalanced(t, e.backlog.Ledger())
	_, err = e.backlog.Offer(breakerBegan, newEvent(t, "late"))
	require.ErrorIs(t, err, messages.ErrClosed)
}
