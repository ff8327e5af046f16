package actors

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Sender makes the attempts of one endpoint. Its methods may be called from any goroutine.
type Sender interface {
	// Send sends the events in one request and ends soon after ctx does: one event, or what the endpoint's batch allows. The
	// id is the event's, or the batch's own. A panic costs these events alone.
	Send(ctx context.Context, id string, events []*messages.Envelope) messages.Outcome
	// Close frees what the sender holds, after the last Send ended.
	Close()
}

// Drain asks a router or endpoint actor to take no new events, to deliver what it holds, to dead-letter what is left at
// the cutoff, and to stop. A second one may bring the cutoff forward.
type Drain struct {
	Cutoff time.Time
}

// Endpoint is everything about one endpoint that outlives its actor's instance: what it holds, its breaker, its account.
type Endpoint struct {
	name   string
	sender Sender
	log    *slog.Logger

	rules   *delivery.Endpoint
	backlog *delivery.Backlog // of the rules
	mailbox *Mailbox

	deadLetters     store.Letters
	deadLetterActor *actor.PID
	keeping         map[*keepDeadLetter]struct{} // not yet answered with deadLetterKept

	held    *store.Held                     // nil: what is held is in memory only
	marking map[*delivery.Delivery]struct{} // their attempts begin when the store knows it

	requests   context.Context // of all attempts; cancelled at the drain's cutoff
	cancel     context.CancelFunc
	attempts   sync.WaitGroup
	timer      wakeTimer
	complaints complaints
	drops      DropReport

	breakerState atomic.Uint32 // of the rules, for readers
	measured     attemptStats
}

// NewEndpoint makes an endpoint of a resolved configuration. Its actor is spawned with Props, once. jitter gives chance, 0
// to 1.
func NewEndpoint(cfg config.Endpoint, sender Sender, jitter func() float64, log *slog.Logger) *Endpoint {
	rules := delivery.NewEndpoint(cfg, jitter, newBatchID)
	requests, cancel := context.WithCancel(context.Background())
	return &Endpoint{
		name:     cfg.Name,
		sender:   sender,
		log:      log.With("endpoint", cfg.Name),
		rules:    rules,
		backlog:  rules.Backlog(),
		mailbox:  NewMailbox(rules.Backlog(), admitEnvelope),
		keeping:  map[*keepDeadLetter]struct{}{},
		marking:  map[*delivery.Delivery]struct{}{},
		requests: requests,
		cancel:   cancel,
	}
}

// newBatchID makes the id of a batch, which no event's id that was not given by a sender can be.
func newBatchID() string { return "batch_" + uuid.NewString() }

// admitEnvelope takes what the router forwards: events that are admitted already.
func admitEnvelope(message any) (*messages.Envelope, bool, error) {
	event, isEvent := message.(*messages.Envelope)
	return event, isEvent, nil
}

// Name is the endpoint's name.
func (e *Endpoint) Name() string { return e.name }

// Replay hands over an event that was dead-lettered before. It makes nothing else give way. Its errors are
// messages.ErrQueueFull, ErrClosed and ErrTooLarge; where it fails nothing is accounted.
func (e *Endpoint) Replay(event *messages.Envelope) error {
	signals, err := e.backlog.OfferReplay(time.Now(), event)
	e.mailbox.signal(signals)
	return err
}

// Props describes the endpoint's actor, which has the letters kept that it gives up, mostly by their actor.
func (e *Endpoint) Props(letters store.Letters, deadLetterActor *actor.PID) *actor.Props {
	e.deadLetters, e.deadLetterActor = letters, deadLetterActor
	return actor.PropsFromProducer(
		func() actor.Actor { return &endpointActor{Endpoint: e} },
		actor.WithMailbox(func() actor.Mailbox { return e.mailbox }),
	)
}

// Discard frees an endpoint whose actor was never spawned.
func (e *Endpoint) Discard() {
	e.cancel()
	e.sender.Close()
}

// endpointActor is one instance of an endpoint's actor. A panic replaces it; all that it knows stands in Endpoint.
type endpointActor struct {
	*Endpoint
	handling *delivery.Delivery // what a panic would be blamed on
	runner   *attemptRunner     // whose attempt's end is being handled: it makes the next attempt, if there is one
}

// Receive implements actor.Actor.
func (a *endpointActor) Receive(ctx actor.Context) {
	defer a.quarantine(ctx)
	switch message := ctx.Message().(type) {
	case *actor.Started, *Available:
	case *attemptEnded:
		a.runner = message.runner
		a.end(ctx, message)
	case *wake:
		if !a.timer.rang(message) {
			return
		}
	case *deadLetterKept:
		a.hear(message)
	case *readEnded:
		a.fill(time.Now(), message)
	case *attemptMarked:
		a.marked(ctx, message)
	case *Drain:
		a.rules.Drain(message.Cutoff)
	case *Dropped:
		a.drops.Pending = true
	case *actor.Stopping:
		a.halt()
		return
	default:
		return
	}
	a.advance(ctx)
	a.runner = nil
}

// advance does all that can be done now, and sees to it that the actor wakes when there is more.
func (a *endpointActor) advance(ctx actor.Context) {
	now := time.Now()
	for _, v := range a.rules.GiveUp(now) {
		a.deadLetter(ctx, v)
	}
	if a.rules.CutoffCame(now) {
		a.cancel()
	}
	for d := a.rules.Next(now); d != nil; d = a.rules.Next(now) {
		a.attempt(d)
	}
	a.readAhead(now)
	a.showBreaker()
	a.drops.Log(now, a.log, a.backlog)
	a.setTimer(ctx, now)
	if a.rules.Drained() {
		ctx.Stop(ctx.Self())
	}
}

func (a *endpointActor) setTimer(ctx actor.Context, now time.Time) {
	at, ok := a.rules.Wake(now)
	if a.drops.Pending && (!ok || a.drops.Next.Before(at)) {
		at, ok = a.drops.Next, true
	}
	if ok {
		a.timer.set(ctx, now, at)
	} else {
		a.timer.stop()
	}
}

func (a *endpointActor) attempt(d *delivery.Delivery) {
	if a.rules.Marks() {
		a.mark(d)
		return
	}
	a.begin(d)
}

func (a *endpointActor) begin(d *delivery.Delivery) {
	a.attempts.Add(1)
	if a.runner != nil {
		a.runner.next, a.runner = d, nil
		return
	}
	go (&attemptRunner{endpoint: a.Endpoint}).run(d)
}

func (a *endpointActor) end(ctx actor.Context, ended *attemptEnded) {
	d := ended.delivery
	a.handling = d
	if ended.panicked != nil {
		a.log.Error("an attempt panicked, and its event is dead-lettered; of several, the one that is to blame",
			"webhook_id", ended.id, "panic", ended.panicked, "stack", string(ended.stack))
		a.deadLetter(ctx, a.rules.Panicked(time.Now(), d))
	} else {
		a.measured.add(ended.outcome.Kind, ended.took)
		a.settle(ctx, ended)
	}
	a.handling = nil
}

func (a *endpointActor) settle(ctx actor.Context, ended *attemptEnded) {
	now := time.Now()
	v := a.rules.Settle(now, ended.delivery, ended.outcome)
	a.deadLetter(ctx, v)
	if ended.outcome.Kind != messages.OutcomeDelivered {
		a.complaints.attemptFailed(now, a.log, ended, v)
	}
}

// quarantine dead-letters the event over which the actor panics, so that its next instance does not meet it again, and
// lets the supervisor go on from there.
func (a *endpointActor) quarantine(ctx actor.Context) {
	reason := recover()
	if reason == nil {
		return
	}
	a.log.Error("the endpoint's actor panicked and is restarted", "panic", reason, "stack", string(debug.Stack()))
	if d := a.handling; d != nil {
		for _, v := range a.rules.Quarantine(d) {
			a.deadLetter(ctx, v)
		}
	}
	panic(reason)
}

func (a *endpointActor) showBreaker() {
	state := a.rules.Breaker()
	before := delivery.BreakerState(a.breakerState.Swap(uint32(state)))
	if state != before {
		a.complaints.breakerChanged(a.log, before, state, a.backlog.Ledger().Held())
	}
}
