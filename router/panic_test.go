package router

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func TestPanicWhileRoutingCostsThatEventAlone(t *testing.T) {
	const events = 300
	router, err := newRouterActor(publishedOnly(), newOptions(quietOptions()))
	require.NoError(t, err)
	router.deadLetters = store.NewMemoryLetters()
	router.table.byType[messages.TypeMessageRetained].everything = []int{7} // an endpoint that there is not
	router.matcher.seen = make([]uint64, 8)
	var log strings.Builder
	router.log = slog.New(slog.NewTextHandler(&log, nil))
	system := quietSystem()
	h := &Handle{system: system, router: router, timeout: 10 * time.Second}
	h.pid = system.Root.Spawn(router.props())

	for i := range events {
		require.NoError(t, h.Notify(context.Background(), &messages.MessagePublished{ClientID: "c", Topic: "t"}))
		if i%100 == 50 {
			require.NoError(t, h.Notify(context.Background(), &messages.MessageRetained{Topic: "t"}))
		}
	}
	require.NoError(t, h.Close(context.Background()))

	mailbox := h.Stats().Mailbox
	require.EqualValues(t, events, mailbox.Of(delivery.Routed))
	require.EqualValues(t, 3, mailbox.Of(delivery.DroppedPanic))
	require.EqualValues(t, events+3, mailbox.Accepted)
	require.EqualValues(t, events, h.Stats().Endpoints[0].Of(delivery.Delivered), "the endpoint lives on")
	require.Equal(t, 3, strings.Count(log.String(), "the router panicked, and goes on"))
	require.Contains(t, log.String(), "reason=panic", "it is told as a drop too")
}
