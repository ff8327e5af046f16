package delivery

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/events"
)

// FuzzWindowChangesNothing lets two endpoints live through the same: offers, answers, time, and the end of the process now
// and then. One has all in memory, the other a small window, of which the readings come late, or fail. The same events go
// out together, in the same order, after as many attempts, and come to the same ends.
//
// The one that has all in memory is not asked what goes out while the other waits for a reading, or for room in its
// window: that is all that a window may change.
func FuzzWindowChangesNothing(f *testing.F) {
	for seed := range uint64(400) {
		f.Add(seed)
	}
	var pool []*messages.Envelope
	for i := range 10 * int(messages.ClassCount) {
		pool = append(pool, events.Sized(f, messages.Class(i%int(messages.ClassCount)), "e", 400+60*i))
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		p := newPair(t, rand.New(rand.NewPCG(seed, 0)), pool)
		for range 250 {
			if p.trouble(); p.apart {
				return
			}
		}
		if p.recover(); p.apart {
			return
		}
		require.Equal(t, p.whole.fates, p.small.fates)
		require.Equal(t, p.whole.fatesOfAll(), p.small.fatesOfAll())
		require.Empty(t, p.small.journal.held)
	})
}

// pair is two endpoints that live through the same.
type pair struct {
	testing.TB
	chance   *rand.Rand
	settings config.Endpoint
	window   int64
	now      time.Time
	events   []*messages.Envelope // what is offered, again and again

	whole, small *twin
	roomy        bool // nothing gives way: what is found late must not change that
	failing      bool // readings fail now and then, with all that is done about it switched off
	apart        bool // the window is full, and so the endpoints do what they must not do with more room
}

// twin is one of them.
type twin struct {
	*Endpoint
	journal *memoryJournal
	out     []*Delivery
	fates   map[Place]Fate
	ledgers [fateCount]uint64 // of the processes before

	reading bool
	read    Read
}

func newPair(t testing.TB, chance *rand.Rand, events []*messages.Envelope) *pair {
	p := &pair{TB: t, chance: chance, events: events, now: breakerBegan, roomy: chance.IntN(2) == 0, failing: chance.IntN(3) == 0}
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{
		Workers:        1 + chance.IntN(3),
		Retry:          config.Retry{MaxAttempts: 2 + chance.IntN(3), GiveUpAfter: time.Duration(1+chance.IntN(100)) * time.Second},
		Batch:          config.Batch{MaxEvents: 1 + chance.IntN(2)*chance.IntN(5), MaxWait: time.Duration(1+chance.IntN(3000)) * time.Millisecond},
		RateLimit:      config.RateLimit{PerSecond: float64(chance.IntN(2)), Burst: 1 + chance.IntN(3)},
		CircuitBreaker: config.CircuitBreaker{FailureThreshold: 2 + chance.IntN(4), RejectionThreshold: config.RejectionThreshold(chance.IntN(5) - 1)},
	}}
	p.settings = webhook.Resolve()[0]
	p.settings.QueueSize = 4 + chance.IntN(20)
	if chance.IntN(2) == 0 {
		p.settings.DropPolicy = config.DropNewest
	}
	if p.roomy {
		p.settings.QueueSize = 100_000
		p.settings.MaxAge = time.Duration(chance.IntN(2)*(1+chance.IntN(3))) * time.Minute
		p.settings.Retry.MaxAttempts -= chance.IntN(2)
	}
	if p.failing {
		p.settings.Batch.MaxEvents = 1
		p.settings.CircuitBreaker.FailureThreshold = 1_000_000
		p.settings.CircuitBreaker.RejectionThreshold = config.NoRejectionThreshold
	}
	p.window = chance.Int64N(20_000)
	if p.settings.Batch.Batches() && chance.IntN(3) > 0 {
		p.window = 20_000 + chance.Int64N(40_000)
	}
	p.whole, p.small = p.newTwin(), p.newTwin()
	p.begin()
	return p
}

func (p *pair) newTwin() *twin {
	return &twin{journal: newMemoryJournal(p), fates: map[Place]Fate{}}
}

// begin lets a process begin, with what the journals kept.
func (p *pair) begin() {
	for twin, window := range map[*twin]int64{p.whole: 1 << 40, p.small: p.window} {
		if twin.Endpoint != nil {
			twin.ledgers = twin.fatesOfAll()
		}
		twin.Endpoint = NewEndpoint(p.settings, func() float64 { return 0.5 }, newTestID)
		twin.Restore(twin.journal, twin.journal.kept(), window)
		twin.out, twin.reading = nil, false
	}
	for p.readAhead(p.whole) {
		p.endReading(p.whole)
	}
	p.advance()
}

// fatesOfAll is how many events had each fate since the journal began.
func (t *twin) fatesOfAll() [fateCount]uint64 {
	fates := t.ledgers
	for fate := range fates {
		fates[fate] += t.backlog.ledger.fates[fate]
	}
	return fates
}

func (p *pair) trouble() {
	switch roll := p.chance.IntN(40); {
	case roll < 10:
		p.offer()
	case roll < 18 && len(p.small.out) > 0:
		p.end(drawOutcome(p.chance))
	case roll < 25 && len(p.small.out) > 0:
		p.end(messages.Outcome{Kind: messages.OutcomeDelivered, Sent: true})
	case roll < 30 && p.small.reading:
		p.endReading(p.small)
		p.advance()
	case roll == 30 && p.small.reading && p.failing:
		p.small.reading = false
		p.small.ReadFailed(p.now)
		p.advance()
	case roll == 31:
		p.begin()
	default:
		p.now = p.now.Add(time.Duration(p.chance.IntN(8_000)) * time.Millisecond)
		p.advance()
	}
	p.compare()
}

func (p *pair) offer() {
	var events []*messages.Envelope
	for range 1 + p.chance.IntN(3) {
		events = append(events, p.events[p.chance.IntN(len(p.events))])
	}
	signals, err := p.whole.backlog.Offer(p.now, events...)
	other, otherErr := p.small.backlog.Offer(p.now, events...)
	require.Equal(p, err, otherErr)
	if damaged := p.roomy && p.chance.IntN(20) == 0; damaged && err == nil {
		p.damage()
	}
	if signals.Available || other.Available {
		p.advance()
	}
}

// damage lets one that both know only by their journals, from the next process on, be one that can't be read.
func (p *pair) damage() {
	last := p.whole.journal.last
	if p.small.backlog.window.horizon >= last {
		p.whole.journal.damaged[last], p.small.journal.damaged[last] = true, true
	}
}

func (p *pair) end(outcome messages.Outcome) {
	i := p.chance.IntN(len(p.small.out))
	whole, small := p.whole.out[i], p.small.out[i]
	p.whole.out, p.small.out = slices.Delete(p.whole.out, i, i+1), slices.Delete(p.small.out, i, i+1)
	if p.chance.IntN(20) == 0 {
		p.whole.settle(p, p.whole.Panicked(p.now, whole))
		p.small.settle(p, p.small.Panicked(p.now, small))
	} else {
		p.whole.settle(p, p.whole.Settle(p.now, whole, outcome))
		p.small.settle(p, p.small.Settle(p.now, small, outcome))
	}
	p.advance()
}

// settle keeps letters, and notes fates.
func (t *twin) settle(p *pair, verdicts ...Verdict) {
	for _, v := range verdicts {
		require.Len(p, v.Held(), len(v.Events()))
		if v.sequel != done {
			continue
		}
		for i, place := range v.Held() {
			require.NotContains(p, t.fates, place)
			t.fates[place] = v.Fate
			if v.DeadLettered() {
				t.journal.end(place, v.Fate)
				t.backlog.Leave(v.Events()[i], false)
			}
		}
	}
}

// advance does for both what their owner does after each message.
func (p *pair) advance() {
	for !p.apart {
		p.whole.settle(p, p.whole.GiveUp(p.now)...)
		p.small.settle(p, p.small.GiveUp(p.now)...)
		if p.sendAll(); !p.readAhead(p.small) || p.chance.IntN(3) == 0 {
			return
		}
		p.endReading(p.small)
	}
}

func (p *pair) sendAll() {
	for {
		if p.full() && (p.settings.Batch.Batches() || p.small.breaker.state != BreakerClosed) {
			p.apart = true
			return
		}
		small := p.small.Next(p.now)
		if small == nil {
			if !p.small.backlog.window.hasBehind() {
				require.Nil(p, p.whole.Next(p.now))
			}
			return
		}
		whole := p.whole.Next(p.now)
		require.NotNil(p, whole)
		require.Equal(p, whole.Places(), small.Places())
		require.True(p, slices.Equal(whole.Events(), small.Events()))
		require.Equal(p, whole.tries, small.tries)
		p.whole.begin(whole)
		p.small.begin(small)
	}
}

func (t *twin) begin(d *Delivery) {
	t.out = append(t.out, d)
	if t.Marks() {
		t.Mark(d)
	}
}

// full tells whether something is behind a window that can't hold more.
func (p *pair) full() bool {
	b := p.small.backlog
	return b.window.hasBehind() && !b.window.reading && !b.window.holdsLessThan(1, b.inMemory(), b.batch)
}

func (p *pair) readAhead(t *twin) bool {
	after, most, ok := t.ReadAhead(p.now)
	if ok {
		require.False(p, t.reading)
		t.reading, t.read = true, t.journal.read(after, most)
	}
	return ok
}

func (p *pair) endReading(t *twin) {
	t.reading = false
	t.Filled(p.now, t.read)
}

func (p *pair) compare() {
	if p.apart {
		return
	}
	whole, small := p.whole.backlog.Ledger(), p.small.backlog.Ledger()
	requireBalanced(p, whole)
	requireBalanced(p, small)
	if p.roomy {
		return // one finds later than the other what is damaged, too old, or of an unknown outcome
	}
	require.Equal(p, whole, small)
	require.Equal(p, p.whole.journal.known(), p.small.journal.known())
}

// recover lets all be delivered.
func (p *pair) recover() {
	for p.small.backlog.Ledger().Held() > 0 && !p.apart {
		switch at, wakes := p.small.Wake(p.now); {
		case p.small.reading:
			p.endReading(p.small)
		case len(p.small.out) > 0:
			p.end(messages.Outcome{Kind: messages.OutcomeDelivered, Sent: true})
			continue
		default:
			require.True(p, wakes, "nothing is under way, and nothing would wake the owner")
			require.True(p, at.After(p.now), "a wake time that has come already would be asked for again and again")
			p.now = at
		}
		p.advance()
	}
}
