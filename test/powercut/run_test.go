//go:build linux

package powercut

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

// wants is which endpoints want the events of a topic.
var wants = map[string][]string{
	"all":   {"steady", "moody", "picky", "dead"},
	"some":  {"moody", "picky"},
	"alone": {"steady"},
}

var topics = []string{"all", "some", "alone"}

func endpoints() []config.Endpoint {
	filters := map[string][]string{}
	for _, topic := range topics {
		for _, name := range wants[topic] {
			filters[name] = append(filters[name], topic)
		}
	}
	return []config.Endpoint{
		{Name: "steady", Workers: 1, TopicFilters: filters["steady"]},
		{Name: "moody", TopicFilters: filters["moody"]},
		{Name: "picky", TopicFilters: filters["picky"]},
		{Name: "dead", TopicFilters: filters["dead"]},
	}
}

func settings() config.Config {
	cfg := config.Default()
	cfg.Webhook.Enabled, cfg.Webhook.IncludePayload = true, true
	cfg.Webhook.Endpoints = endpoints()
	for i := range cfg.Webhook.Endpoints {
		cfg.Webhook.Endpoints[i].URL = "http://receiver.test/"
	}
	cfg.Webhook.Defaults.Retry.InitialInterval, cfg.Webhook.Defaults.Retry.MaxInterval = 10*time.Millisecond, 50*time.Millisecond
	cfg.Webhook.Defaults.CircuitBreaker.ResetTimeout = 100 * time.Millisecond
	cfg.Webhook.Defaults.CircuitBreaker.RejectionThreshold = config.NoRejectionThreshold
	cfg.Store.CommitDelay = 2 * time.Millisecond
	return cfg
}

// run is webhookd in this process, from a start to a power cut or a stop.
type run struct {
	t         *testing.T
	ledger    *ledger
	keeper    store.Keeper
	store     *store.Store
	router    *router.Handle
	system    *actor.ActorSystem
	log       *log
	receivers map[string]*receiver
	producing context.Context
	end       context.CancelFunc // of producing
	producers sync.WaitGroup
	stopped   bool
}

// log keeps what is logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLog() (*log, *slog.Logger) {
	kept := &log{}
	return kept, slog.New(slog.NewTextHandler(kept, nil))
}

// open opens the file of a store, which must be whole.
func open(t *testing.T, dir string) (*bolt.Keeper, *log, *slog.Logger) {
	t.Helper()
	kept, logger := newLog()
	keeper, err := bolt.Open(dir, logger)
	require.NoError(t, err)
	require.Empty(t, kept.String(), "a power cut damages no file")
	return keeper, kept, logger
}

// start starts on a store that is open. Each endpoint is up, away, or now and then away, by chance.
func start(t *testing.T, keeper store.Keeper, l *ledger, kept *log, logger *slog.Logger, chance *rand.Rand) *run {
	t.Helper()
	r := &run{t: t, ledger: l, keeper: keeper, log: kept, receivers: map[string]*receiver{}}
	r.producing, r.end = context.WithCancel(context.Background())
	for _, endpoint := range endpoints() {
		r.receivers[endpoint.Name] = &receiver{ledger: l, name: endpoint.Name}
		r.receivers[endpoint.Name].fails([]float64{0, 0.2, 1}[chance.IntN(3)])
	}
	r.receivers["picky"].rejects(0.3)
	cfg := settings()
	var err error
	r.store, err = store.Open(keeper, cfg.Store, cfg.DeadLetters, logger)
	require.NoError(t, err)
	silent := slog.New(slog.DiscardHandler)
	r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return silent }))
	r.router, err = router.Spawn(r.system, cfg, router.WithLogger(silent), router.WithStore(r.store), router.WithSenders(r.sender))
	require.NoError(t, err)
	return r
}

func (r *run) sender(endpoint config.Endpoint) (actors.Sender, error) {
	return r.receivers[endpoint.Name], nil
}

// produce has producers send events, and wait for the receipts, until the run ends.
func (r *run) produce(label string, producers int) {
	for i := range producers {
		chance := rand.New(rand.NewPCG(rand.Uint64(), 0))
		r.producers.Go(func() {
			for n := 0; r.producing.Err() == nil; n++ {
				if !r.send(fmt.Sprintf("%s-%d-%d", label, i, n), topics[chance.IntN(len(topics))], 1+chance.IntN(8), chance.IntN(6000)) {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
}

// send is true where it is told that the events are safe.
func (r *run) send(label, topic string, events, bytes int) bool {
	var envelopes []*messages.Envelope
	for i := range events {
		envelope := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: topic, Payload: make([]byte, bytes)})
		envelope.ID = fmt.Sprintf("%s-%d", label, i)
		envelopes = append(envelopes, envelope)
	}
	if r.router.NotifySafe(r.producing, envelopes...) != nil {
		return false
	}
	for _, envelope := range envelopes {
		r.ledger.receipt(envelope.ID, wants[topic])
	}
	return true
}

// replay replays dead letters until the run ends.
func (r *run) replay() {
	r.producers.Go(func() {
		for r.producing.Err() == nil {
			_, _ = r.router.ReplayDeadLetters(r.producing, store.DeadLetterFilter{}, store.ReplayOptions{Most: 10 * time.Millisecond})
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// stop ends the run, as a stop does or as far as a power cut lets it.
func (r *run) stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	r.end()
	r.producers.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.router.Close(ctx) // what is held is kept
	_ = r.store.Close()     // fails after a power cut
	r.system.Shutdown()
}

// receiver is an endpoint's receiver.
type receiver struct {
	ledger    *ledger
	name      string
	failing   atomic.Int64 // of a million attempts
	rejecting atomic.Int64
}

func (r *receiver) fails(share float64)   { r.failing.Store(int64(share * 1e6)) }
func (r *receiver) rejects(share float64) { r.rejecting.Store(int64(share * 1e6)) }

// Send implements actors.Sender.
func (r *receiver) Send(_ context.Context, _ string, events []*messages.Envelope) messages.Outcome {
	switch fate := rand.Int64N(1e6); {
	case fate < r.failing.Load():
		return messages.Outcome{Kind: messages.OutcomeAway, Err: fmt.Errorf("%s is away", r.name)}
	case rand.Int64N(1e6) < r.rejecting.Load():
		return messages.Outcome{Kind: messages.OutcomeRejected, Sent: true, Status: 400, Err: fmt.Errorf("%s rejects it", r.name)}
	}
	for _, event := range events {
		r.ledger.deliver(r.name, event.ID)
	}
	return messages.Outcome{Kind: messages.OutcomeDelivered, Sent: true, Status: 200}
}

// Close implements actors.Sender.
func (r *receiver) Close() {}
