package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
)

// TestEverythingAtOnce lets one endpoint ask for all there is, while its certificate and its token change, its receiver
// fails, dead letters are replayed from two sides, and at last all is stopped.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	receiver, dir := newStrictReceiver(t), t.TempDir()
	authority, certificate, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	receiver.writeAuthority(t, authority)
	require.NoError(t, writeIdentity(certificate, key))
	var logged bytes.Buffer // its handler lets one write at a time, and nobody when all has stopped
	handle := spawnWithEverything(t, receiver, dir, &logged)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var busy sync.WaitGroup
	var seen atomic.Int64 // dead letters, some of them more than once
	again := func(pause time.Duration, do func()) {
		busy.Go(func() {
			for ctx.Err() == nil {
				do()
				time.Sleep(pause)
			}
		})
	}
	again(200*time.Microsecond, func() {
		_ = handle.Notify(ctx, &messages.MessagePublished{ClientID: "c1", Topic: "t", Payload: bytes.Repeat([]byte("x"), 2000)})
	})
	again(1100*time.Millisecond, func() { assert.NoError(t, writeIdentity(certificate, key)) })
	again(300*time.Millisecond, func() { receiver.token.Add(1) })
	for range 2 {
		again(20*time.Millisecond, func() { _, _ = handle.ReplayDeadLetters(ctx, store.DeadLetterFilter{}, store.ReplayOptions{}) })
	}
	again(10*time.Millisecond, func() {
		_, _ = handle.ListDeadLetters(ctx, store.DeadLetterQuery{Limit: 100})
		handle.Stats()
		seen.Add(int64(assertNoSecretInLetters(t, handle)))
	})
	busy.Wait()
	require.NoError(t, handle.Close(context.Background()))

	ledger := handle.Stats().Endpoints[0].Ledger
	require.Zero(t, receiver.forged.Load(), "every request is signed, those with another token too")
	require.Greater(t, receiver.delivered.Load(), int64(20))
	require.Greater(t, ledger.Of(delivery.Delivered), uint64(receiver.delivered.Load()), "batches bring several events")
	require.NotZero(t, ledger.AcceptedReplay)
	require.Zero(t, ledger.Held())
	require.Equal(t, ledger.Accepted, ledger.Of(delivery.Delivered)+ledger.Total(delivery.KindDropped)+ledger.Total(delivery.KindDeadLettered))
	letters := assertNoSecretInLetters(t, handle)
	require.LessOrEqual(t, uint64(letters), ledger.Total(delivery.KindDeadLettered)-ledger.AcceptedReplay, "what was replayed is none any more")
	require.NotZero(t, seen.Load())
	for _, secret := range everySecret {
		require.NotContains(t, logged.String(), secret)
	}
}

var everySecret = []string{"URLS3CRET", "HEADERS3CRET", "CLIENTS3CRET", "PARAMS3CRET", "MfKQ9r8", "Bearer "}

func spawnWithEverything(t *testing.T, receiver *strictReceiver, dir string, logged *bytes.Buffer) *router.Handle {
	path := func(name string) config.Path { return config.Path(filepath.Join(dir, name)) }
	cfg := config.Default()
	cfg.Webhook.Enabled, cfg.Webhook.IncludePayload = true, true
	cfg.Webhook.Endpoints = []config.Endpoint{{
		Name:           "everything",
		URL:            receiver.URL + "/hook?key=URLS3CRET",
		Events:         []string{"message.published"},
		ClientIDs:      []string{"c*"},
		When:           `data.client_id != "cx"`,
		Format:         config.FormatCloudEvents,
		Batch:          config.Batch{MaxEvents: 10, MaxWait: 5 * time.Millisecond},
		Compression:    config.CompressionGzip,
		Headers:        map[string]config.Secret{"X-Key": "HEADERS3CRET"},
		Secrets:        []config.Secret{strictSecret},
		Auth:           &config.Auth{OAuth2: &config.OAuth2{TokenURL: receiver.tokens.URL, ClientID: "id", ClientSecret: "CLIENTS3CRET", Params: map[string]config.Secret{"a": "PARAMS3CRET"}}},
		TLS:            config.TLS{CAFile: path("ca.pem"), CertFile: path("cert.pem"), KeyFile: path("key.pem"), ServerName: "example.com"},
		Proxy:          config.ProxyDirect,
		Egress:         config.Egress{Allow: []string{"127.0.0.1/32"}, Deny: []string{"0.0.0.0/0", "::/0"}},
		RateLimit:      config.RateLimit{PerSecond: 2000, Burst: 50},
		MaxAge:         20 * time.Second,
		Timeout:        time.Second,
		Workers:        8,
		Retry:          config.Retry{MaxAttempts: 2, InitialInterval: 5 * time.Millisecond, MaxInterval: 20 * time.Millisecond},
		CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1000},
	}}
	log := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	handle, err := router.Spawn(system, cfg, router.WithLogger(log))
	require.NoError(t, err)
	return handle
}

// assertNoSecretInLetters counts the dead letters that there are at this moment.
func assertNoSecretInLetters(t *testing.T, handle *router.Handle) int {
	letters := handle.DeadLetters()
	for _, letter := range letters {
		text, err := json.Marshal(letter.Record(true))
		assert.NoError(t, err)
		for _, secret := range everySecret {
			assert.NotContains(t, string(text), secret)
		}
	}
	return len(letters)
}
