package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestEventPatternsNameTypes(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		want     []messages.Type
	}{
		{nil, messages.Types()},
		{[]string{}, messages.Types()},
		{[]string{"message.delivered"}, []messages.Type{messages.TypeMessageDelivered}},
		{[]string{"auth.*"}, []messages.Type{messages.TypeAuthSuccess, messages.TypeAuthFailure}},
		{
			[]string{"subscription.*", "message.published", "subscription.created"},
			[]messages.Type{messages.TypeMessagePublished, messages.TypeSubscriptionCreated, messages.TypeSubscriptionRemoved},
		},
		{[]string{"client.*", "message.*", "subscription.*", "auth.*", "authz.*"}, messages.Types()},
	} {
		got, err := config.ParseEvents(test.patterns)
		require.NoError(t, err)
		require.Equal(t, test.want, got)
	}
}

func TestUnknownEventIsRefusedWithTheNearestOne(t *testing.T) {
	_, err := config.ParseEvents([]string{"auth.*", "client.conected"})
	require.EqualError(t, err, `events[1] is "client.conected", which is no event type (did you mean "client.connected"?)`)
	for _, pattern := range []string{"", "*", "#", "message", "message.", "message.*.*", "*.published", "Message.Published"} {
		_, err := config.ParseEvents([]string{pattern})
		require.Error(t, err, pattern)
	}
}
