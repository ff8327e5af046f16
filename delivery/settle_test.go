package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestLateOutcomeIsJudgedByTheTimeThatTheBreakerWasOpen(t *testing.T) {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Workers: 4, CircuitBreaker: config.CircuitBreaker{FailureThreshold: 2, ResetTimeout: time.Minute}}}
	e := NewEndpoint(webhook.Resolve()[0], func() float64 { return 0 }, newTestID)
	began := breakerBegan
	away := messages.Outcome{Kind: messages.OutcomeAway}
	_, err := e.backlog.Offer(began, newEvents(t, "turned away")...)
	require.NoError(t, err)
	e.Settle(began, e.Next(began), away)
	opens := began.Add(time.Second)
	turnedAway := e.Next(opens)
	_, err = e.backlog.Offer(opens, newEvents(t, "delivered", "b", "c")...)
	require.NoError(t, err)
	e.Settle(opens, e.Next(opens), messages.Outcome{Kind: messages.OutcomeDelivered})
	b, c := e.Next(opens), e.Next(opens)
	e.Settle(opens, b, away)
	e.Settle(opens, c, away)
	require.Equal(t, BreakerOpen, e.Breaker())

	const late = 40 * time.Second // after the breaker's minute, without anything between
	e.Settle(opens.Add(time.Minute+late), turnedAway, away)
	require.Equal(t, 1, turnedAway.passedOver)
	require.Equal(t, opens.Add(late), turnedAway.passedOverSince, "the minute is not counted, and the rest is")
}
