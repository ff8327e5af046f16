package delivery

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
	"github.com/fluxmq/webhookd/test/events"
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
// contents are the events of a delivery as they go out together, the next ones first.
type backlogGame struct {
	testing.TB
	chance  *rand.Rand
	backlog *Backlog
	bounds  Bounds
	batch   config.Batch
	now     time.Time

	waiting   []*messages.Envelope
	handedOut []*messages.Envelope // by TakeEvent
	flying    []*Delivery
	retrying  []*Delivery // in the order of acceptance
	ended     []*Delivery
	leaving   []*messages.Envelope
	contents  map[*Delivery][][]*messages.Envelope
	came      map[*messages.Envelope]time.Time
	replayed  uint64
	accepted  uint64
	fates     map[Fate]uint64
	told      map[string]uint64 // drops that DroppedSince told
	sealed    bool
	demand    demand
	unread    bool
	probes    uint64
	flood     messages.Class

	journaled *journaledGame // nil: without a journal
}

func newBacklogGame(t testing.TB, chance *rand.Rand) *backlogGame {
	bounds := Bounds{Events: 1 + chance.IntN(8), Bytes: 1500 + chance.Int64N(6000), Policy: config.DropOldest}
	if chance.IntN(2) == 0 {
		bounds.Policy = config.DropNewest
	}
	game := &backlogGame{
		TB: t, chance: chance, backlog: NewBacklog(bounds), bounds: bounds, now: time.Unix(0, 0),
		contents: map[*Delivery][][]*messages.Envelope{}, came: map[*messages.Envelope]time.Time{},
		fates: map[Fate]uint64{}, told: map[string]uint64{},
	}
	if chance.IntN(2) == 0 {
		game.batch = config.Batch{MaxEvents: 2 + chance.IntN(4), MaxBytes: config.ByteSize(500 + chance.IntN(5000)),
			MaxWait: time.Duration(chance.IntN(10)) * time.Second}
		game.backlog.batch = game.batch
	}
	if chance.IntN(3) > 0 {
		game.beginJournal()
	}
	return game
}

func (g *backlogGame) move() {
	if g.journaled != nil && g.moveJournal() {
		return
	}
	switch roll := g.chance.IntN(1000); {
	case roll < 270:
		g.offer()
	case roll < 300:
		g.replay()
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
	case roll < 810:
		g.split()
	case roll < 860:
		g.settleOutgoing()
	case roll < 900:
		g.settle()
	case roll < 940:
		g.leave()
	case roll < 950:
		g.expire()
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
		event := g.newEvent()
		events = append(events, event)
		bytes += int64(event.Size())
	}
	signals, err := g.backlog.Offer(g.now, events...)
	g.accepted += uint64(len(events))
	fate, expected := g.receive(events, bytes)
	require.ErrorIs(g, err, expected)
	if expected == nil {
		g.push(events...)
	} else {
		g.count(fate, len(events))
	}
	g.signalled(signals)
}

// newEvent is of a class that comes in floods, so that classes take more and less than their shares.
func (g *backlogGame) newEvent() *messages.Envelope {
	if g.chance.IntN(12) == 0 {
		g.flood = messages.Class(g.chance.IntN(int(messages.ClassCount)))
	}
	class := g.flood
	if g.chance.IntN(4) == 0 {
		class = messages.Class(g.chance.IntN(int(messages.ClassCount)))
	}
	return events.Sized(g, class, "e", 400+g.chance.IntN(1600))
}

func (g *backlogGame) push(events ...*messages.Envelope) {
	for _, event := range events {
		g.came[event] = g.now
		if g.journaled != nil {
			g.numberNewcomer(event)
		}
		g.waiting = append(g.waiting, event)
	}
}

func (g *backlogGame) replay() {
	event := g.newEvent()
	signals, err := g.backlog.OfferReplay(g.now, event)
	switch {
	case g.sealed:
		require.ErrorIs(g, err, messages.ErrClosed)
	case int64(event.Size()) > g.bounds.Bytes:
		require.ErrorIs(g, err, messages.ErrTooLarge)
	case g.room() >= g.bounds.Events || g.bytes()+int64(event.Size()) > g.bounds.Bytes:
		require.ErrorIs(g, err, messages.ErrQueueFull)
	default:
		require.NoError(g, err)
		g.accepted++
		g.replayed++
		g.push(event)
		g.signalled(signals)
	}
}

// receive makes room for the events, or says why there is none.
func (g *backlogGame) receive(events []*messages.Envelope, bytes int64) (Fate, error) {
	switch {
	case g.sealed:
		return DroppedClosed, messages.ErrClosed
	case len(events) > g.bounds.Events || bytes > g.bounds.Bytes:
		return DroppedTooLarge, messages.ErrTooLarge
	}
	held := slices.Concat(g.held(), events)
	var victims []*messages.Envelope
	for len(held) > g.bounds.Events || bytesOf(held) > g.bounds.Bytes {
		victim := g.givesWay(held, events)
		if victim == nil {
			return DroppedRefused, messages.ErrQueueFull
		}
		victims = append(victims, victim)
		held = without(held, victim)
	}
	for _, victim := range victims {
		g.evict(victim)
	}
	return 0, nil
}

// givesWay is the event that gives way to newcomers where all these are held; nil when the newcomers are refused.
func (g *backlogGame) givesWay(held, newcomers []*messages.Envelope) *messages.Envelope {
	whole := int64(g.bounds.Events) * g.bounds.Bytes
	use := map[messages.Class]int64{}
	for class := range messages.ClassCount {
		own := slices.DeleteFunc(slices.Clone(held), func(e *messages.Envelope) bool { return e.Type().Class() != class })
		use[class] = max(int64(len(own))*g.bounds.Bytes, bytesOf(own)*int64(g.bounds.Events))
	}
	coming := map[messages.Class]bool{}
	least := whole/3 + 1
	for _, event := range newcomers {
		class := event.Type().Class()
		coming[class] = true
		if g.bounds.Policy == config.DropNewest && 3*use[class] > whole {
			return nil
		}
		least = max(least, use[class])
	}
	classes := []messages.Class{messages.ClassMessage, messages.ClassClient, messages.ClassAuth}
	slices.SortStableFunc(classes, func(a, b messages.Class) int {
		if use[a] == use[b] && coming[a] != coming[b] {
			return map[bool]int{true: -1, false: 1}[coming[a]]
		}
		return cmp.Compare(use[b], use[a])
	})
	for _, class := range classes {
		if use[class] < least {
			return nil
		}
		if victim := g.oldestIdle(class, held); victim != nil {
			return victim
		}
	}
	return nil
}

// oldestIdle is the oldest event of the class that may give way, of those that are still held.
func (g *backlogGame) oldestIdle(class messages.Class, held []*messages.Envelope) *messages.Envelope {
	idle := slices.Clone(g.waiting)
	if !g.batch.Batches() {
		idle = append(idle, g.eventsOf(g.retrying...)...)
	}
	for _, event := range idle {
		if event.Type().Class() == class && slices.Contains(held, event) {
			if g.journaled != nil && g.journaled.journal.blind && slices.Contains(g.behind(), event) {
				return nil
			}
			return event
		}
	}
	return nil
}

func (g *backlogGame) evict(victim *messages.Envelope) {
	g.count(DroppedEvicted, 1)
	if slices.Contains(g.waiting, victim) {
		g.stopWaiting(victim)
		return
	}
	g.demand = demandsEvent
	g.retrying = slices.DeleteFunc(g.retrying, func(d *Delivery) bool {
		gone := g.contents[d][0][0] == victim
		if gone {
			g.ended = append(g.ended, d)
		}
		return gone
	})
}

func without(events []*messages.Envelope, event *messages.Envelope) []*messages.Envelope {
	return slices.DeleteFunc(slices.Clone(events), func(other *messages.Envelope) bool { return other == event })
}

func (g *backlogGame) takeEvent() {
	if g.journaled != nil {
		return // it is the router's
	}
	event, _ := g.backlog.TakeEvent()
	if len(g.waiting) == 0 {
		g.demand = demandsEvent
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
	d := g.backlog.take(g.now, ordered, probe)
	retry, blocked := g.dueRetry(ordered, probe)
	switch {
	case blocked:
		require.Nil(g, d)
		return
	case retry != nil:
		require.Same(g, retry, d)
		g.retrying = slices.DeleteFunc(g.retrying, func(other *Delivery) bool { return other == d })
	case !g.ready():
		g.demand = demandsEvent
		if len(g.inMemory()) > 0 {
			g.demand = demandsBatch
		}
		require.Nil(g, d)
		return
	default:
		together := g.nextTogether()
		require.Equal(g, together, eventsOut(d))
		g.contents[d] = [][]*messages.Envelope{together}
		g.stopWaiting(together...)
		require.Equal(g, g.triesOf(together[0]).Attempts, d.attempts)
	}
	if probe {
		g.probes++
		d.probe = g.probes
	}
	g.flying = append(g.flying, d)
}

// ready tells whether events never sent may go out.
func (g *backlogGame) ready() bool {
	waiting := g.inMemory()
	if len(waiting) == 0 || !g.batch.Batches() || g.full() {
		return len(waiting) > 0
	}
	return !g.awaitsReading() && (g.sealed || g.now.Sub(g.came[waiting[0]]) >= g.batch.MaxWait)
}

func (g *backlogGame) full() bool {
	return len(g.inMemory()) >= g.batch.MaxEvents || bytesOf(g.inMemory()) >= int64(g.batch.MaxBytes)
}

// nextTogether are the events never sent that go out in the next request.
func (g *backlogGame) nextTogether() []*messages.Envelope {
	n, waiting := 1, g.inMemory()
	for n < len(waiting) && n < g.batch.MaxEvents && bytesOf(waiting[:n+1]) <= int64(g.batch.MaxBytes) &&
		g.triesOf(waiting[n]) == g.triesOf(waiting[0]) {
		n++
	}
	return slices.Clone(waiting[:n])
}

func eventsOut(d *Delivery) []*messages.Envelope { return envelopes(d.outgoing()) }

func (g *backlogGame) eventsOf(deliveries ...*Delivery) []*messages.Envelope {
	var events []*messages.Envelope
	for _, d := range deliveries {
		events = append(events, slices.Concat(g.contents[d]...)...)
	}
	return events
}

func bytesOf(events []*messages.Envelope) int64 {
	bytes := int64(0)
	for _, event := range events {
		bytes += int64(event.Size())
	}
	return bytes
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
	if rotate && due[0].probe > 0 && (g.ready() || g.awaitsReading()) {
		return nil, false
	}
	return due[0], false
}

func (g *backlogGame) retry() {
	if len(g.flying) == 0 {
		return
	}
	d := draw(g.chance, &g.flying)
	g.backlog.retry(d, g.now.Add(time.Duration(g.chance.IntN(10))*time.Second))
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
	require.Equal(g, !had, g.backlog.settle(d, fate))
	if had {
		return
	}
	g.end(fate, g.eventsOf(d))
}

func (g *backlogGame) end(fate Fate, events []*messages.Envelope) {
	g.count(fate, len(events))
	if fate.Kind() == KindDeadLettered {
		g.leaving = append(g.leaving, events...)
		g.keepLetters(fate, events)
	}
}

func (g *backlogGame) settleOutgoing() {
	if len(g.flying) == 0 {
		return
	}
	fate := []Fate{Delivered, DeadRejected}[g.chance.IntN(2)]
	d := g.flying[g.chance.IntN(len(g.flying))]
	more := g.backlog.settleOutgoing(d, fate)
	g.end(fate, g.contents[d][0])
	g.contents[d] = g.contents[d][1:]
	require.Equal(g, len(g.contents[d]) > 0, more)
	if more {
		require.Equal(g, g.contents[d][0], eventsOut(d))
		return
	}
	g.flying = slices.DeleteFunc(g.flying, func(other *Delivery) bool { return other == d })
	g.ended = append(g.ended, d)
}

func (g *backlogGame) split() {
	for _, d := range g.flying {
		if d.divisible() {
			d.split()
			out := g.contents[d][0]
			half := len(out) - len(out)/2
			g.contents[d] = slices.Concat([][]*messages.Envelope{out[:half], out[half:]}, g.contents[d][1:])
			require.Equal(g, g.contents[d][0], eventsOut(d))
			return
		}
	}
}

func (g *backlogGame) expire() {
	by := g.now.Add(-time.Duration(g.chance.IntN(20)) * time.Second)
	var expected []*messages.Envelope
	for len(g.retrying) > 0 && !g.retrying[0].latest().After(by) {
		expected = append(expected, g.eventsOf(g.retrying[0])...)
		g.retrying = g.retrying[1:]
	}
	for waiting := g.inMemory(); len(waiting) > 0 && !g.came[waiting[0]].After(by); waiting = g.inMemory() {
		expected = append(expected, waiting[0])
		g.stopWaiting(waiting[0])
	}
	require.Equal(g, expected, g.givenUp(g.backlog.expire(by)))
	g.end(DeadMaxAge, expected)
}

// givenUp are the events of deliveries that ended of their own accord.
func (g *backlogGame) givenUp(deliveries []*Delivery) []*messages.Envelope {
	var events []*messages.Envelope
	for _, d := range deliveries {
		for _, part := range d.parts() {
			events = append(events, envelopes(part.arrivals)...)
		}
		g.contents[d] = nil
		g.ended = append(g.ended, d)
	}
	return events
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
	if g.journaled != nil {
		return // all stays held
	}
	dueAfter := g.now.Add(time.Duration(g.chance.IntN(10)) * time.Second)
	waitingToo := g.chance.IntN(2) == 0
	var expected []*messages.Envelope
	g.retrying = slices.DeleteFunc(g.retrying, func(d *Delivery) bool {
		late := d.due.After(dueAfter)
		if late {
			expected = append(expected, g.eventsOf(d)...)
		}
		return late
	})
	if waitingToo {
		expected = append(expected, g.waiting...)
		g.waiting, g.demand = nil, demandsEvent
	}
	require.Equal(g, expected, g.givenUp(g.backlog.abandon(dueAfter, waitingToo)))
	g.end(DeadShutdown, expected)
}

func (g *backlogGame) signalled(signals Signals) {
	available := g.demand == demandsEvent && len(g.inMemory()) > 0 || g.demand == demandsBatch && g.full() ||
		g.demand != demandsNothing && g.hasToRead()
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
	if available {
		g.demand = demandsNothing
	}
	g.unread = g.unread || dropped
}

func (g *backlogGame) compare() {
	ledger := g.backlog.Ledger()
	requireBalanced(g, ledger)
	require.Equal(g, g.accepted, ledger.Accepted)
	for fate := range Fate(fateCount) {
		require.Equal(g, g.fates[fate], ledger.Of(fate), fmt.Sprintf("%s %s", fate.Kind(), fate.Reason()))
	}
	require.Equal(g, len(g.waiting)+len(g.unknown()), ledger.Waiting)
	require.Equal(g, g.replayed, ledger.AcceptedReplay)
	require.Equal(g, len(g.handedOut)+len(g.eventsOf(g.flying...)), ledger.InFlight)
	require.Equal(g, len(g.eventsOf(g.retrying...)), ledger.Retrying)
	require.Equal(g, g.bytes(), ledger.Bytes)
	require.Equal(g, g.room() == 0, g.backlog.Empty())
	require.LessOrEqual(g, g.room(), g.bounds.Events)
	require.LessOrEqual(g, ledger.Bytes, g.bounds.Bytes)
	g.compareTurns()
	g.compareJournal()
}

func (g *backlogGame) compareTurns() {
	var turns []time.Time
	for _, d := range g.retrying {
		turns = append(turns, d.due)
	}
	ordered := g.chance.IntN(2) == 0
	switch waiting := g.inMemory(); {
	case g.awaitsReading():
		if len(turns) > 0 && !slices.MinFunc(turns, time.Time.Compare).After(g.now) {
			turns = nil
		}
	case g.batch.Batches() && len(waiting) > 0 && (!ordered || len(g.retrying) == 0):
		turns = append(turns, g.came[waiting[0]].Add(g.batch.MaxWait))
	}
	soonest, ok := g.backlog.nextTurn(g.now, ordered)
	require.Equal(g, len(turns) > 0, ok)
	if ok {
		require.Equal(g, slices.MinFunc(turns, time.Time.Compare), soonest)
	}
	_, aging := g.backlog.oldestAcceptance()
	require.Equal(g, len(g.inMemory())+len(g.retrying) > 0, aging)
	if !aging {
		g.demand = demandsEvent
	}
}

func (g *backlogGame) held() []*messages.Envelope {
	return slices.Concat(g.waiting, g.unknown(), g.handedOut, g.leaving, g.eventsOf(g.flying...), g.eventsOf(g.retrying...))
}

func (g *backlogGame) room() int { return len(g.held()) }

func (g *backlogGame) bytes() int64 { return bytesOf(g.held()) }

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
