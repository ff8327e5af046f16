// Package router is the handle by which Go programs use webhookd: Spawn starts the root router actor, and the Handle
// takes events, tells what is wanted, and drains.
package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// ErrDisabled is why Spawn starts nothing when webhook.enabled is false.
var ErrDisabled = errors.New("webhook.enabled is false")

// Handle is a running router. Its methods may be called from any goroutine, and after Close.
type Handle struct {
	system  *actor.ActorSystem
	pid     *actor.PID
	router  *routerActor
	timeout time.Duration // shutdown_timeout
}

// Option changes how Spawn makes a router.
type Option func(*options)

type options struct {
	log     *slog.Logger
	parent  actor.Context
	senders func(config.Endpoint) (actors.Sender, error)
	jitter  func() float64
	store   *store.Store
	window  int64 // WithWindow; 0: a part of memoryOfEndpoints
}

// WithLogger sets where the router logs; without it that is slog.Default.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) { o.log = log }
}

// WithParent makes the router a child of the actor whose context this is, in that actor's system. The context is used
// during Spawn only. Close the router before its parent stops: what it still holds when it is stopped from above is
// dead-lettered at once.
func WithParent(ctx actor.Context) Option {
	return func(o *options) { o.parent = ctx }
}

// WithSenders replaces HTTP: for each endpoint, with what it inherits filled in, it makes what sends to it.
func WithSenders(senders func(config.Endpoint) (actors.Sender, error)) Option {
	return func(o *options) { o.senders = senders }
}

// WithJitter replaces chance, 0 to 1, which says how much of the tenth that may be added to reset_timeout is added. Any
// goroutine calls it.
func WithJitter(jitter func() float64) Option {
	return func(o *options) { o.jitter = jitter }
}

// WithStore lets a store keep what the endpoints hold, and their dead letters: what it has of them is delivered. The caller
// closes it after the router. Without one all is in memory.
func WithStore(s *store.Store) Option {
	return func(o *options) { o.store = s }
}

// WithWindow sets how many bytes of what a store keeps of an endpoint may be in memory, of which there is one event at least;
// 1 or more. Without it all endpoints share 256 MiB, and each has 32 KiB to 1 MiB.
func WithWindow(bytes int64) Option {
	return func(o *options) { o.window = bytes }
}

// Spawn starts a router in the caller's actor system. Of the configuration it uses BrokerID and Webhook. It fails with
// ErrDisabled and with what Config.Validate finds. Close ends the router.
func Spawn(system *actor.ActorSystem, cfg config.Config, opts ...Option) (*Handle, error) {
	handle, err := spawn(system, cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("spawn the router: %w", err)
	}
	return handle, nil
}

// Check makes all that Spawn would make of the configuration, and opens and starts nothing.
func Check(cfg config.Config) error {
	router, err := newRouterActor(cfg, newOptions(nil))
	if err != nil {
		return err
	}
	router.discard()
	return nil
}

// CheckDraft finds what Check would find beside the problems of a configuration, as far as they let it.
func CheckDraft(draft config.Config, problems config.Errors) config.Errors {
	endpoints := draft.Webhook.Resolve()
	for i := range endpoints {
		path := fmt.Sprintf("webhook.endpoints[%d].url", i)
		if slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == path }) {
			endpoints[i].URL = "http://placeholder.invalid" // all else can still be tried
		}
	}
	_, tableErr := newRoutingTable(endpoints)
	senders, sendersErr := newSenders(endpoints, newOptions(nil))
	closeAll(senders)
	var found config.Errors
	if err := errors.Join(tableErr, sendersErr); err != nil {
		errors.As(located(draft, err), &found)
	}
	return problems.Beside(found)
}

func newOptions(opts []Option) options {
	o := options{log: slog.Default(), jitter: rand.Float64}
	for _, opt := range opts {
		opt(&o)
	}
	if o.senders == nil {
		o.senders = o.newHTTPSender
	}
	return o
}

func (o options) newHTTPSender(endpoint config.Endpoint) (actors.Sender, error) {
	client, err := httpclient.New(endpoint, o.log)
	if err != nil {
		return nil, err
	}
	return client, nil
}

func spawn(system *actor.ActorSystem, cfg config.Config, opts []Option) (*Handle, error) {
	if !cfg.Webhook.Enabled {
		return nil, ErrDisabled
	}
	o := newOptions(opts)
	router, err := newRouterActor(cfg, o)
	if err != nil {
		return nil, err
	}
	router.deadLetters = letters(o.store)
	handle := &Handle{system: system, router: router, timeout: cfg.Webhook.ShutdownTimeout}
	var spawner actor.SpawnerContext = system.Root
	if o.parent != nil {
		handle.system, spawner = o.parent.ActorSystem(), o.parent
	}
	handle.pid = spawner.SpawnPrefix(router.props(), "webhookd-router-")
	return handle, nil
}

// letters is where dead letters are kept.
func letters(kept *store.Store) store.Letters {
	if kept == nil {
		return store.NewMemoryLetters()
	}
	return kept
}

// PID is the router actor's. Events (pointers to the structs of package messages) may be sent to it from any actor; who
// sends learns nothing of a refusal, which is counted; after Close they end among the actor system's own dead letters.
func (h *Handle) PID() *actor.PID { return h.pid }

// Notify hands an event over, which is the router's from then on. It never blocks, and ctx, when it ends, refuses nothing. An
// event that no endpoint wants by its type and topic takes no place and is no error. Its errors are messages.ErrClosed
// after Close; messages.ErrTooLarge for an event that is larger than the whole queue; a *messages.FieldError for one of which
// a text is longer than MQTT allows; and messages.ErrQueueFull where the queue has no room for it: with drop_policy newest,
// and with oldest where nothing gives way.
func (h *Handle) Notify(_ context.Context, event messages.Event) error {
	envelope, isEvent, err := h.router.admit(event)
	switch {
	case errors.Is(err, actors.ErrUnwanted):
		return h.router.mailbox.TurnAway(1)
	case err != nil:
		return fmt.Errorf("take an event: %w", err)
	case !isEvent:
		return fmt.Errorf("take an event: %w", errNilEvent)
	}
	return h.router.mailbox.Offer(envelope)
}

// NotifyAll hands several events over, as Notify does: of those that an endpoint wants all or none. The identity of all is
// filled in when it returns.
func (h *Handle) NotifyAll(_ context.Context, envelopes ...*messages.Envelope) error {
	wanted, err := h.admitAll(envelopes)
	if err != nil {
		return err
	}
	return h.router.mailbox.Offer(wanted...)
}

// Wants tells whether any endpoint wants an event of this type and topic, so that a broker need not build one that
// nobody wants. The topic is what the event's RoutingTopic would be, "" for the types that have none. More of the event
// Wants does not know: client_ids and when may leave out what it says is wanted.
func (h *Handle) Wants(eventType messages.Type, topic string) bool {
	return h.router.table.wants(eventType, topic)
}
