package router_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

// rig is a router in virtual time whose endpoints are receivers of the test.
type rig struct {
	*router.Handle
	t         *testing.T
	system    *actor.ActorSystem
	receivers map[string]*receiver
	log       *lockedBuffer
	began     time.Time
}

// receiver is one endpoint: it records what is sent to it, and answers what answer says. It takes latency for it.
type receiver struct {
	mu       sync.Mutex
	answer   func(nth int, event *messages.Envelope) messages.Outcome
	latency  time.Duration
	received []arrival
	inFlight int
	most     int // in flight at once
	closed   bool
}

type arrival struct {
	at   time.Duration // since the rig began
	id   string
	body string
}

// virtually runs the test in a bubble of virtual time.
func virtually(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(5 * time.Second) }) // lets the actor system's own timers end
		test(t)
	})
}

func newRig(t *testing.T, change func(*config.Webhook), endpoints ...config.Endpoint) *rig {
	t.Helper()
	cfg := config.Default()
	cfg.BrokerID = "broker-1"
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = endpoints
	if change != nil {
		change(&cfg.Webhook)
	}
	return newRigOf(t, cfg)
}

func newRigOf(t *testing.T, cfg config.Config, opts ...router.Option) *rig {
	t.Helper()
	for i := range cfg.Webhook.Endpoints {
		cfg.Webhook.Endpoints[i].URL = "http://receiver.test/"
	}
	r := &rig{t: t, receivers: map[string]*receiver{}, log: &lockedBuffer{}, began: time.Now()}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	opts = append([]router.Option{router.WithLogger(log), router.WithSenders(r.receiver)}, opts...)
	handle, err := router.Spawn(r.system, cfg, opts...)
	require.NoError(t, err)
	r.Handle = handle
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = handle.Close(ctx)
	})
	return r
}

func (r *rig) receiver(endpoint config.Endpoint) (actors.Sender, error) {
	receiver := &receiver{answer: always(ok)}
	r.receivers[endpoint.Name] = receiver
	return &rigSender{receiver: receiver, began: r.began}, nil
}

type rigSender struct {
	*receiver
	began time.Time
}

func (s *rigSender) Send(ctx context.Context, _ string, events []*messages.Envelope) messages.Outcome {
	event := events[0]
	body := event.Body()
	s.mu.Lock()
	s.received = append(s.received, arrival{at: time.Since(s.began), id: event.ID, body: string(body)})
	nth, answer, latency := len(s.received), s.answer, s.latency
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	if !pass(ctx, latency) {
		return messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: ctx.Err()}
	}
	return answer(nth, event)
}

// pass lets time pass, and is false when ctx ends first. It does without time.After: in a bubble the race detector of Go
// 1.26 breaks down when several goroutines find such timers due at the same moment.
func pass(ctx context.Context, latency time.Duration) bool {
	if latency == 0 {
		return true
	}
	answered := make(chan struct{})
	timer := time.AfterFunc(latency, func() { close(answered) })
	defer timer.Stop()
	select {
	case <-answered:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *rigSender) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (r *receiver) answers(answer func(nth int, event *messages.Envelope) messages.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) takes(latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = latency
}

func (r *receiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.received...)
}

// times are when the arrivals of this event came.
func (r *receiver) times(id string) []time.Duration {
	var times []time.Duration
	for _, a := range r.arrivals() {
		if a.id == id {
			times = append(times, a.at)
		}
	}
	return times
}

func (r *receiver) ids() []string {
	var ids []string
	for _, a := range r.arrivals() {
		ids = append(ids, a.id)
	}
	return ids
}

func always(outcome messages.Outcome) func(int, *messages.Envelope) messages.Outcome {
	return func(int, *messages.Envelope) messages.Outcome { return outcome }
}

var (
	ok           = messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}
	badRequest   = messages.Outcome{Kind: messages.OutcomeRejected, Status: 400, Sent: true, Err: fmt.Errorf("status 400")}
	unauthorized = messages.Outcome{Kind: messages.OutcomeAway, Status: 401, Sent: true, Err: fmt.Errorf("status 401")}
	serverError  = messages.Outcome{Kind: messages.OutcomeFailed, Status: 500, Sent: true, Err: fmt.Errorf("status 500"), Answer: "oops"}
	unavailable  = messages.Outcome{Kind: messages.OutcomeAway, Status: 503, Sent: true, Err: fmt.Errorf("status 503")}
	throttled    = messages.Outcome{Kind: messages.OutcomeThrottled, Status: 429, Sent: true, Err: fmt.Errorf("status 429")}
	noDescriptor = messages.Outcome{Kind: messages.OutcomeLocal, Err: fmt.Errorf("too many open files")}
	refused      = messages.Outcome{Kind: messages.OutcomeAway, Err: fmt.Errorf("connection refused")}
)

var streamRefused = messages.Outcome{Kind: messages.OutcomeNotProcessed, Sent: true, Err: fmt.Errorf("stream refused")}

func busy(retryAfter time.Duration) messages.Outcome {
	return messages.Outcome{Kind: messages.OutcomeThrottled, Status: 429, Sent: true, Err: fmt.Errorf("status 429"),
		PauseAsked: true, Pause: retryAfter}
}

// notify hands over a message.published with this id.
func (r *rig) notify(id, topic string) error {
	event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "client-1", Topic: topic})
	event.ID = id
	return r.NotifyAll(context.Background(), event)
}

func (r *rig) notifyMany(from, to int) {
	r.t.Helper()
	for i := from; i <= to; i++ {
		require.NoError(r.t, r.notify(fmt.Sprintf("e%d", i), "sensors/1"))
	}
}

// endpoint is the account of an endpoint, and checks that it adds up.
func (r *rig) endpoint(name string) actors.EndpointStats {
	r.t.Helper()
	for _, stats := range r.Stats().Endpoints {
		if stats.Name == name {
			requireBalanced(r.t, stats)
			return stats
		}
	}
	r.t.Fatalf("there is no endpoint %s", name)
	return actors.EndpointStats{}
}

func requireBalanced(t *testing.T, stats actors.EndpointStats) {
	t.Helper()
	require.Equal(t, stats.Accepted, stats.Of(delivery.Delivered)+stats.Total(delivery.KindDropped)+
		stats.Total(delivery.KindDeadLettered)+uint64(stats.Held()), "accepted = delivered + dropped + dead-lettered + held")
}

// advance lets virtual time pass and everything that is due happen.
func advance(by time.Duration) {
	time.Sleep(by)
	synctest.Wait()
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.buffer.String(), text)
}
