package actors

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// FuzzBacklogKeepsItsAccount plays a sequence of calls, drawn from the seed, on a Backlog and on a plain model of one, and
// compares all that can be seen of them after each call.
func FuzzBacklogKeepsItsAccount(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		game := newBacklogGame(t, rand.New(rand.NewPCG(seed, 0)))
		for range 300 {
			game.move()
			game.compare()
		}
	})
}

// backlogGame holds a Backlog and the model of it. The model knows an event by its Envelope, and each is in one place.
type backlogGame struct {
	testing.TB
	chance  *rand.Rand
	backlog *Backlog
	bounds  Bounds
	now     time.Time

	waiting   []*messages.Envelope
	handedOut []*messages.Envelope // by TakeEvent
	flying    []*Delivery
	retrying  []*Delivery // in the order of acceptance
	ended     []*Delivery
	leaving   []*messages.Envelope
	accepted  uint64
	fates     map[Fate]uint64
	told      map[string]uint64 // drops that DroppedSince told
	sealed    bool
	starved   bool
	unread    bool
	probes    uint64
}

func newBacklogGame(t testing.TB, chance *rand.Rand) *backlogGame {
	bounds := Bounds{Events: 1 + chance.IntN(8), Bytes: 2000 + chance.Int64N(6000), Policy: config.DropOldest}
	if chance.IntN(2) == 0 {
		bounds.Policy = config.DropNewest
	}
	return &backlogGame{
		TB: t, chance: chance, backlog: NewBacklog(bounds), bounds: bounds, now: time.Unix(0, 0),
		fates: map[Fate]uint64{}, told: map[string]uint64{},
	}
}

func (g *backlogGame) move() {
	switch roll := g.chance.IntN(1000); {
	case roll < 300:
		g.offer()
	case roll < 310:
		g.count(DroppedInvalid, 1)
		g.accepted++
		g.signalled(g.backlog.Refuse(DroppedInvalid))
	case roll < 380:
		g.takeEvent()
	case roll < 450:
		g.settleEvent()
	case roll < 640:
		g.take(g.chance.IntN(3) == 0, g.chance.IntN(3) == 0)
	case roll < 780:
		g.retry()
	case roll < 900:
		g.settle()
	case roll < 950:
		g.leave()
	case roll < 970:
		g.askForDrops()
	case roll < 985:
		g.abandon()
	case roll < 988:
		g.sealed = true
		g.backlog.Seal()
	default:
		g.now = g.now.Add(time.Duration(g.chance.IntN(10)) * time.Second)
	}
}

func (g *backlogGame) offer() {
	var events []*messages.Envelope
	bytes := int64(0)
	for range 1 + g.chance.IntN(4) {
		event := newEventOf(g, "e", 400+g.chance.IntN(1600))
		events = append(events, event)
		bytes += int64(event.Size())
	}
	signals, err := g.backlog.Offer(events...)
	g.accepted += uint64(len(events))
	fate, expected := g.receive(events, bytes)
	require.ErrorIs(g, err, expected)
	if expected == nil {
		g.waiting = append(g.waiting, events...)
	} else {
		g.count(fate, len(events))
	}
	g.signalled(signals)
}

// receive makes room for the events, or says why there is none.
func (g *backlogGame) receive(events []*messages.Envelope, bytes int64) (Fate, error) {
	fixed, fixedBytes := len(g.handedOut)+len(g.flying)+len(g.leaving), g.bytes()
	for _, event := range g.waiting {
		fixedBytes -= int64(event.Size())
	}
	for _, d := range g.retrying {
		fixedBytes -= int64(d.Event.Size())
	}
	tooMany := func(held int, heldBytes int64) bool {
		return held+len(events) > g.bounds.Events || heldBytes+bytes > g.bounds.Bytes
	}
	switch {
	case g.sealed:
		return DroppedClosed, messages.ErrClosed
	case tooMany(0, 0):
		return DroppedTooLarge, messages.ErrTooLarge
	case !tooMany(g.room(), g.bytes()):
		return 0, nil
	case g.bounds.Policy == config.DropNewest || tooMany(fixed, fixedBytes):
		return DroppedRefused, messages.ErrQueueFull
	}
	for tooMany(g.room(), g.bytes()) {
		g.count(DroppedEvicted, 1)
		if len(g.waiting) > 0 {
			g.waiting = g.waiting[1:]
		} else {
			g.ended = append(g.ended, g.retrying[0])
			g.starved = true
			g.retrying = g.retrying[1:]
		}
	}
	return 0, nil
}

func (g *backlogGame) takeEvent() {
	event := g.backlog.TakeEvent()
	if len(g.waiting) == 0 {
		g.starved = true
		require.Nil(g, event)
		return
	}
	require.Same(g, g.waiting[0], event)
	g.waiting = g.waiting[1:]
	g.handedOut = append(g.handedOut, event)
}

func (g *backlogGame) settleEvent() {
	if len(g.handedOut) == 0 {
		return
	}
	fate := []Fate{Routed, Unwanted, DroppedPanic}[g.chance.IntN(3)]
	g.backlog.SettleEvent(draw(g.chance, &g.handedOut), fate)
	g.count(fate, 1)
}

func (g *backlogGame) take(ordered, probe bool) {
	d := g.backlog.Take(g.now, ordered, probe)
	retry, blocked := g.dueRetry(ordered, probe)
	switch {
	case blocked:
		require.Nil(g, d)
		return
	case retry != nil:
		require.Same(g, retry, d)
		g.retrying = slices.DeleteFunc(g.retrying, func(other *Delivery) bool { return other == d })
	case len(g.waiting) == 0:
		g.starved = true
		require.Nil(g, d)
		return
	default:
		require.Same(g, g.waiting[0], d.Event)
		g.waiting = g.waiting[1:]
	}
	if probe {
		g.probes++
		d.probe = g.probes
	}
	g.flying = append(g.flying, d)
}

// dueRetry is the retry whose turn it is, nil for an event never sent; blocked says that nothing may go out.
func (g *backlogGame) dueRetry(ordered, probe bool) (retry *Delivery, blocked bool) {
	due := slices.DeleteFunc(slices.Clone(g.retrying), func(d *Delivery) bool { return d.due.After(g.now) })
	if len(due) == 0 {
		return nil, ordered && len(g.retrying) > 0
	}
	rotate := probe && !ordered
	slices.SortStableFunc(due, func(a, b *Delivery) int {
		if rotate && a.probe != b.probe {
			return cmp.Compare(a.probe, b.probe)
		}
		return a.due.Compare(b.due)
	})
	if rotate && due[0].probe > 0 && len(g.waiting) > 0 {
		return nil, false
	}
	return due[0], false
}

func (g *backlogGame) retry() {
	if len(g.flying) == 0 {
		return
	}
	d := draw(g.chance, &g.flying)
	g.backlog.Retry(d, g.now.Add(time.Duration(g.chance.IntN(10))*time.Second))
	g.retrying = append(g.retrying, d)
	sortByAcceptance(g.retrying)
}

func (g *backlogGame) settle() {
	fate := []Fate{Delivered, DeadRejected, DeadMaxAttempts, DeadPanic}[g.chance.IntN(4)]
	place := []*[]*Delivery{&g.flying, &g.flying, &g.retrying, &g.ended}[g.chance.IntN(4)]
	if len(*place) == 0 {
		return
	}
	had := place == &g.ended
	d := draw(g.chance, place)
	g.ended = append(g.ended, d)
	require.Equal(g, !had, g.backlog.Settle(d, fate))
	if had {
		return
	}
	g.count(fate, 1)
	if fate.Kind() == KindDeadLettered {
		g.leaving = append(g.leaving, d.Event)
	}
}

func (g *backlogGame) leave() {
	if len(g.leaving) > 0 {
		g.backlog.Leave(draw(g.chance, &g.leaving), false)
	}
}

func (g *backlogGame) askForDrops() {
	since := g.backlog.DroppedSince()
	g.unread = false
	for reason, n := range since {
		require.NotZero(g, n)
		g.told[reason] += n
	}
	require.Equal(g, g.backlog.Ledger().ByReason(KindDropped), g.told)
}

func (g *backlogGame) abandon() {
	dueAfter := g.now.Add(time.Duration(g.chance.IntN(10)) * time.Second)
	waitingToo := g.chance.IntN(2) == 0
	var expected []*messages.Envelope
	g.retrying = slices.DeleteFunc(g.retrying, func(d *Delivery) bool {
		late := d.due.After(dueAfter)
		if late {
			expected = append(expected, d.Event)
		}
		return late
	})
	if waitingToo {
		expected = append(expected, g.waiting...)
		g.waiting, g.starved = nil, true
	}
	var abandoned []*messages.Envelope
	for _, d := range g.backlog.Abandon(dueAfter, waitingToo) {
		abandoned = append(abandoned, d.Event)
		g.ended = append(g.ended, d)
	}
	require.Equal(g, expected, abandoned)
	g.count(DeadShutdown, len(expected))
	g.leaving = append(g.leaving, expected...)
}

func (g *backlogGame) signalled(signals Signals) {
	available := g.starved && len(g.waiting) > 0
	told, drops := uint64(0), uint64(0)
	for _, n := range g.told {
		told += n
	}
	for fate, n := range g.fates {
		if fate.Kind() == KindDropped {
			drops += n
		}
	}
	dropped := !g.unread && drops > told
	require.Equal(g, Signals{Available: available, Dropped: dropped}, signals)
	g.starved = g.starved && !available
	g.unread = g.unread || dropped
}

func (g *backlogGame) compare() {
	ledger := g.backlog.Ledger()
	requireBalanced(g, ledger)
	require.Equal(g, g.accepted, ledger.Accepted)
	for fate := range Fate(fateCount) {
		require.Equal(g, g.fates[fate], ledger.Of(fate), fmt.Sprintf("%s %s", fate.Kind(), fate.Reason()))
	}
	require.Equal(g, len(g.waiting), ledger.Waiting)
	require.Equal(g, len(g.handedOut)+len(g.flying), ledger.InFlight)
	require.Equal(g, len(g.retrying), ledger.Retrying)
	require.Equal(g, g.bytes(), ledger.Bytes)
	require.Equal(g, g.room() == 0, g.backlog.Empty())
	require.LessOrEqual(g, g.room(), g.bounds.Events)
	require.LessOrEqual(g, ledger.Bytes, g.bounds.Bytes)
	soonest, ok := g.backlog.NextRetry()
	require.Equal(g, len(g.retrying) > 0, ok)
	if ok {
		require.Equal(g, slices.MinFunc(g.retrying, func(a, b *Delivery) int { return a.due.Compare(b.due) }).due, soonest)
	}
}

func (g *backlogGame) room() int {
	return len(g.waiting) + len(g.handedOut) + len(g.flying) + len(g.retrying) + len(g.leaving)
}

func (g *backlogGame) bytes() int64 {
	bytes := int64(0)
	for _, events := range [][]*messages.Envelope{g.waiting, g.handedOut, g.leaving} {
		for _, event := range events {
			bytes += int64(event.Size())
		}
	}
	for _, d := range slices.Concat(g.flying, g.retrying) {
		bytes += int64(d.Event.Size())
	}
	return bytes
}

func (g *backlogGame) count(fate Fate, events int) {
	g.fates[fate] += uint64(events)
}

// draw takes one at random out.
func draw[T any](chance *rand.Rand, from *[]T) T {
	i := chance.IntN(len(*from))
	item := (*from)[i]
	*from = slices.Delete(slices.Clone(*from), i, i+1)
	return item
}
