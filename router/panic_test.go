package router

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
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

// brittle is a log that panics at its first line.
type brittle struct {
	slog.Handler
	broke atomic.Bool
}

func (b *brittle) Handle(ctx context.Context, line slog.Record) error {
	if !b.broke.Swap(true) {
		panic("a bug in the log")
	}
	return b.Handler.Handle(ctx, line)
}

func TestPanicBetweenEventsCostsNone(t *testing.T) {
	log := &brittle{Handler: slog.NewTextHandler(io.Discard, nil)}
	system := quietSystem()
	h, err := Spawn(system, publishedOnly(), append(quietOptions(), WithLogger(slog.New(log)))...)
	require.NoError(t, err)
	system.Root.Send(h.PID(), &messages.MessagePublished{Topic: strings.Repeat("t", 1<<16)}) // longer than MQTT allows
	require.Eventually(t, log.broke.Load, 10*time.Second, time.Millisecond, "the drop is logged")

	require.NoError(t, h.Notify(context.Background(), &messages.MessagePublished{ClientID: "c", Topic: "t"}))
	require.NoError(t, h.Close(context.Background()))
	require.EqualValues(t, 1, h.Stats().Endpoints[0].Of(delivery.Delivered))
}
