package delivery

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// FuzzEndpointHoldsNothingForEver drives an endpoint through a troubled time drawn from the seed, just as its actor would: only
// when a signal, a result or the wake time says so. When the endpoint is well again, or the drain is over, nothing is
// held; after a drain with a journal, nothing but what the journal keeps.
func FuzzEndpointHoldsNothingForEver(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := newDrive(t, rand.New(rand.NewPCG(seed, 0)))
		for range 300 {
			d.trouble()
		}
		if seed%2 == 0 {
			d.recover()
		} else {
			d.shutDown()
		}
		if d.journal != nil {
			require.GreaterOrEqual(t, d.backlog.Ledger().Kept, len(d.journal.held))
			require.LessOrEqual(t, d.backlog.Ledger().Kept, len(d.journal.held)+d.missing)
			if seed%2 != 0 {
				return
			}
		}
		require.Zero(t, d.backlog.Ledger().Held())
		require.True(t, d.backlog.Empty())
	})
}

// drive is an endpoint with a time and the requests that are out.
type drive struct {
	*Endpoint
	testing.TB
	chance *rand.Rand
	now    time.Time
	out    []*Delivery
	sent   uint64 // with one worker: the latest in the order of acceptance

	journal *memoryJournal // nil: without one
	read    *Read          // nil: no reading is under way
	missing int            // events that were counted
}

func newDrive(t testing.TB, chance *rand.Rand) *drive {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{
		Workers:        1 + chance.IntN(3),
		Retry:          config.Retry{MaxAttempts: 1 + chance.IntN(4), GiveUpAfter: time.Duration(1+chance.IntN(100)) * time.Second},
		Batch:          config.Batch{MaxEvents: 1 + chance.IntN(2)*chance.IntN(8), MaxWait: time.Duration(1+chance.IntN(3000)) * time.Millisecond},
		RateLimit:      config.RateLimit{PerSecond: float64(chance.IntN(2)) / 3, Burst: 1 + chance.IntN(3)},
		MaxAge:         time.Duration(chance.IntN(2)) * time.Minute,
		CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1 + chance.IntN(3), RejectionThreshold: config.RejectionThreshold(chance.IntN(5) - 1)},
	}}
	endpoint := webhook.Resolve()[0]
	endpoint.QueueSize = 3 + chance.IntN(10)
	if chance.IntN(2) == 0 {
		endpoint.DropPolicy = config.DropNewest
	}
	d := &drive{Endpoint: NewEndpoint(endpoint, chance.Float64, newTestID), TB: t, chance: chance, now: breakerBegan}
	if chance.IntN(2) == 0 {
		d.journal = newMemoryJournal(d)
		d.findKept()
	}
	d.advance()
	return d
}

// findKept lets an earlier process have kept events. Some are damaged, and some are counted and not there.
func (d *drive) findKept() {
	for range d.chance.IntN(20) {
		charged := d.chance.IntN(3)
		d.journal.keep(d.now, newEvent(d, "e"), Tries{Attempts: charged, Charged: charged, Begun: d.chance.IntN(4) == 0})
		d.damageLast()
	}
	kept := d.journal.kept()
	for d.chance.IntN(4) == 0 {
		class := d.chance.IntN(int(messages.ClassCount))
		kept.Held[class] = kept.Held[class].add(d.chance.IntN(eventBytes))
		d.missing++
	}
	d.Restore(d.journal, kept, d.chance.Int64N(10*eventBytes))
}

func (d *drive) damageLast() {
	if d.chance.IntN(8) == 0 {
		d.journal.damaged[d.journal.last] = true
	}
}

// readAhead begins a reading where the endpoint asks for one, and ends one sooner or later.
func (d *drive) readAhead() {
	if d.journal == nil {
		return
	}
	d.journal.blind = d.chance.IntN(4) == 0
	if after, most, ok := d.ReadAhead(d.now); ok {
		require.Nil(d, d.read, "one reading at a time")
		read := d.journal.read(after, most)
		d.read = &read
	}
}

func (d *drive) endReading() {
	read := d.read
	d.read = nil
	switch d.chance.IntN(6) {
	case 0:
		d.ReadFailed(d.now)
	default:
		d.Filled(d.now, *read)
	}
	d.advance()
}

func (d *drive) trouble() {
	switch roll := d.chance.IntN(10); {
	case roll < 4:
		if signals, _ := d.backlog.Offer(d.now, newEvents(d, slices.Repeat([]string{"e"}, 1+d.chance.IntN(3))...)...); signals.Available {
			d.advance()
		}
	case roll < 6 && d.read != nil:
		d.endReading()
	case roll < 8 && len(d.out) > 0:
		d.end(draw(d.chance, &d.out))
	default:
		d.pass(time.Duration(d.chance.IntN(20_000)) * time.Millisecond)
	}
	requireBalanced(d, d.backlog.Ledger())
}

// drawOutcome is an outcome of a troubled time.
func drawOutcome(chance *rand.Rand) messages.Outcome {
	outcomes := []messages.Outcome{
		{Kind: messages.OutcomeDelivered, Sent: true},
		{Kind: messages.OutcomeRejected, Status: 409, Sent: true},
		{Kind: messages.OutcomeRejected, Status: 413, Sent: true},
		{Kind: messages.OutcomeFailed, Sent: true},
		{Kind: messages.OutcomeAway},
		{Kind: messages.OutcomeAway},
		{Kind: messages.OutcomeAway, Sent: true},
		{Kind: messages.OutcomeRejected, Status: 400, Sent: true},
		{Kind: messages.OutcomeThrottled, Sent: true, PauseAsked: true, Pause: time.Duration(chance.IntN(60)) * time.Second},
		{Kind: messages.OutcomeThrottled, Sent: true},
		{Kind: messages.OutcomeNotProcessed, Sent: true},
		{Kind: messages.OutcomeLocal},
	}
	return outcomes[chance.IntN(len(outcomes))]
}

func (d *drive) end(delivery *Delivery) {
	outcome := drawOutcome(d.chance)
	switch d.chance.IntN(20) {
	case 0:
		d.leave(d.Panicked(d.now, delivery))
	case 1:
		outcome.Err = trap{}
		require.Panics(d, func() { d.Settle(d.now, delivery, outcome) })
		d.leave(d.Quarantine(delivery)...)
	default:
		d.leave(d.Settle(d.now, delivery, outcome))
	}
	d.advance()
}

func (d *drive) leave(verdicts ...Verdict) {
	for _, v := range verdicts {
		if !v.DeadLettered() {
			continue
		}
		for i, event := range v.Events() {
			if d.journal != nil {
				d.journal.end(v.Held()[i], v.Fate)
			}
			d.backlog.Leave(event, false)
		}
	}
}

// advance does what the actor does after each message.
func (d *drive) advance() {
	d.leave(d.GiveUp(d.now)...)
	for delivery := d.Next(d.now); delivery != nil; delivery = d.Next(d.now) {
		d.out = append(d.out, delivery)
		require.LessOrEqual(d, len(d.out), d.workers)
		require.NotEqual(d, BreakerOpen, d.breaker.state)
		require.False(d, d.now.Before(d.pausedUntil))
		require.False(d, d.now.Before(delivery.due))
		if d.workers == 1 {
			require.GreaterOrEqual(d, delivery.accepted, d.sent, "in order")
			d.sent = delivery.accepted
		}
		if d.breaker.state == BreakerHalfOpen {
			require.Nil(d, d.Next(d.now), "one probe")
		}
	}
	d.readAhead()
}

// pass lets time pass, to the wake time at the latest.
func (d *drive) pass(by time.Duration) {
	wakeAt, ok := d.Wake(d.now)
	if !ok || wakeAt.After(d.now.Add(by)) {
		d.now = d.now.Add(by)
		return
	}
	require.True(d, wakeAt.After(d.now), "a wake time that has come already would be asked for again and again")
	d.now = wakeAt
	d.advance()
}

// recover lets the endpoint deliver all from now on.
func (d *drive) recover() {
	for d.backlog.Ledger().Held() > 0 {
		if len(d.out) > 0 {
			require.Equal(d, done, d.Settle(d.now, draw(d.chance, &d.out), messages.Outcome{Kind: messages.OutcomeDelivered, Sent: true}).sequel)
			d.advance()
			continue
		}
		if d.read != nil {
			d.endReading()
			continue
		}
		_, ok := d.Wake(d.now)
		require.True(d, ok, "nothing is in flight, and nothing would wake the actor")
		d.pass(time.Hour)
	}
}

// shutDown drains an endpoint that is in trouble still.
func (d *drive) shutDown() {
	d.Drain(d.now.Add(time.Duration(d.chance.IntN(30)) * time.Second))
	d.advance()
	for !d.Drained() {
		switch {
		case d.read != nil:
			d.endReading()
		case d.CutoffCame(d.now):
			require.NotEmpty(d, d.out, "only what is in flight outlives the cutoff")
			delivery := draw(d.chance, &d.out)
			canceled := messages.Outcome{Kind: messages.OutcomeFailed, Sent: d.chance.IntN(2) == 0, Err: context.Canceled}
			d.leave(d.Settle(d.now, delivery, canceled))
			d.advance()
		case len(d.out) > 0 && d.chance.IntN(2) == 0:
			d.end(draw(d.chance, &d.out))
		default:
			d.pass(time.Minute)
		}
	}
	require.False(d, d.now.After(d.cutoff))
}
