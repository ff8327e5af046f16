package actors

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// rejecting is a Sender whose endpoint will never take an event.
type rejecting struct{}

func (rejecting) Close() {}
func (rejecting) Send(context.Context, string, []*messages.Envelope) messages.Outcome {
	return messages.Outcome{Kind: messages.OutcomeRejected, Status: 400, Sent: true}
}

func TestDeadLettersOnTheirWayOutliveAStopFromAbove(t *testing.T) {
	const events = 20
	dir := t.TempDir()
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "a"}}
	endpoint := NewEndpoint(webhook.Resolve()[0], rejecting{}, rand.Float64, slog.New(slog.DiscardHandler))
	system := quietSystem()
	parent := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, started := ctx.Message().(*actor.Started); started {
			letters.Spawn(ctx)
			ctx.Spawn(endpoint.Props(letters))
		}
	}))

	letters.mu.Lock() // the dead-letter actor is slow: it can't finish its first letter
	require.NoError(t, endpoint.mailbox.Offer(newEvents(t, strings.Fields(strings.Repeat("e ", events))...)...))
	require.Eventually(t, func() bool { return endpoint.Stats().Of(delivery.DeadRejected) == events }, 5*time.Second, time.Millisecond)
	stopped := system.Root.StopFuture(parent)
	<-endpoint.requests.Done() // the endpoint has begun to stop, and hears no answer any more
	letters.mu.Unlock()
	require.NoError(t, stopped.Wait())

	require.True(t, endpoint.backlog.Empty())
	require.Zero(t, endpoint.Stats().Lost)
	require.Len(t, letters.Latest(), events)
	require.NoError(t, letters.Close())
	text, err := os.ReadFile(filepath.Join(dir, DeadLettersFile))
	require.NoError(t, err)
	require.Equal(t, events, strings.Count(string(text), "\n"))
}

func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
