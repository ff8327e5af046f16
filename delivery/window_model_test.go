package delivery

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// journaledGame is what a backlogGame has where the backlog has a journal.
type journaledGame struct {
	journal *memoryJournal
	bytes   int64 // of the window
	size    int   // how many of those that wait are in memory
	numbers map[*messages.Envelope]uint64
	tries   map[*messages.Envelope]Tries // of restored events
	unknown []*messages.Envelope         // in memory, restored, begun
	found   int                          // events of an earlier process

	reading bool
	early   Read // as it was when the reading began
	after   uint64
	most    Volume
	failed  time.Time
}

func (g *backlogGame) beginJournal() {
	j := &journaledGame{
		journal: newMemoryJournal(g), bytes: g.chance.Int64N(4000) * g.chance.Int64N(4),
		numbers: map[*messages.Envelope]uint64{}, tries: map[*messages.Envelope]Tries{},
	}
	g.journaled = j
	j.journal.blind = g.chance.IntN(5) == 0
	for {
		event := g.newEvent()
		if len(g.waiting) >= g.bounds.Events || g.bytes()+int64(event.Size()) > g.bounds.Bytes || g.chance.IntN(6) == 0 {
			break
		}
		charged := g.chance.IntN(3) / 2
		tries := Tries{Attempts: 2 * charged, Charged: charged, Failures: charged, Begun: g.chance.IntN(6) == 0}
		j.journal.keep(g.now, event, tries)
		j.numbers[event], j.tries[event], g.came[event] = j.journal.last, tries, g.now
		g.waiting = append(g.waiting, event)
		g.accepted++
		j.found++
		g.damageSome()
	}
	(&Endpoint{backlog: g.backlog}).Restore(j.journal, j.journal.kept(), j.bytes)
}

// damageSome lets the latest event be one of which the body can't be read, perhaps.
func (g *backlogGame) damageSome() {
	if g.chance.IntN(10) == 0 {
		g.journaled.journal.damaged[g.journaled.journal.last] = true
	}
}

func (g *backlogGame) moveJournal() bool {
	switch roll := g.chance.IntN(100); {
	case roll < 12:
		g.readAhead()
	case roll < 24:
		g.endReading()
	case roll < 27:
		require.Equal(g, g.journaled.unknown, g.givenUp(g.backlog.giveUpUnknown()))
		unknown := g.journaled.unknown
		g.journaled.unknown = nil
		g.end(DeadUnknownOutcome, unknown)
	default:
		return false
	}
	return true
}

func (g *backlogGame) readAhead() {
	j := g.journaled
	after, most, ok := g.backlog.readAhead(g.now)
	require.Equal(g, g.hasToRead() && (j.failed.IsZero() || g.now.Sub(j.failed) >= time.Second), ok)
	if !ok {
		return
	}
	behind := j.numbers[g.behind()[0]]
	require.Less(g, after, behind, "nothing that is behind is left out")
	for _, event := range g.inMemory() {
		require.GreaterOrEqual(g, after, j.numbers[event], "nothing is read twice")
	}
	j.reading, j.after, j.most, j.early = true, after, most, j.journal.read(after, most)
}

// endReading fails, or hands over what could be read when the reading began, or at this moment.
func (g *backlogGame) endReading() {
	j := g.journaled
	if !j.reading {
		return
	}
	j.reading = false
	read := j.early
	switch g.chance.IntN(8) {
	case 0:
		j.failed = g.now
		g.backlog.readFailed(g.now)
		return
	case 1, 2, 3:
		read = j.journal.read(j.after, j.most)
	case 4:
		read = Read{Through: j.after}
	}
	j.failed = time.Time{}
	if read.Through == j.after && j.after < j.journal.last {
		j.failed = g.now
	}
	for _, event := range g.behind() {
		number, place := j.numbers[event], g.placeOf(event)
		if number > read.Through {
			continue
		}
		switch {
		case j.journal.damaged[number]:
			g.count(DroppedDamaged, 1)
			g.waiting = without(g.waiting, event)
			require.True(g, slices.ContainsFunc(read.Damaged, func(s Stub) bool { return s.Place == place }))
		case j.tries[event].Begun:
			j.unknown = append(j.unknown, event)
			g.waiting = without(g.waiting, event)
		default:
			j.size++
		}
	}
	g.backlog.fill(g.now, read)
}

func (g *backlogGame) placeOf(event *messages.Envelope) Place {
	return Place{Class: event.Type().Class(), Number: g.journaled.numbers[event]}
}

// numberNewcomer lets an event have a number, and a place in the window where there is one.
func (g *backlogGame) numberNewcomer(event *messages.Envelope) {
	j := g.journaled
	if len(g.behind()) == 0 && g.holdsLessThan(1) {
		j.size++
	}
	j.numbers[event] = uint64(len(j.numbers) + 1)
}

// holdsLessThan tells whether the events in memory take less than a part of the window.
func (g *backlogGame) holdsLessThan(parts int) bool {
	events := parts * (g.room() - len(g.behind()))
	bytes := int64(parts) * (g.bytes() - bytesOf(g.behind()))
	return events == 0 || bytes+512*int64(events) < g.journaled.bytes ||
		g.batch.Batches() && events < 2*g.batch.MaxEvents && bytes < 2*int64(g.batch.MaxBytes)
}

// inMemory are the events never sent that are in memory.
func (g *backlogGame) inMemory() []*messages.Envelope {
	if g.journaled == nil {
		return g.waiting
	}
	return g.waiting[:g.journaled.size]
}

// behind are the events behind the window.
func (g *backlogGame) behind() []*messages.Envelope {
	if g.journaled == nil {
		return nil
	}
	return slices.Clone(g.waiting[g.journaled.size:])
}

func (g *backlogGame) unknown() []*messages.Envelope {
	if g.journaled == nil {
		return nil
	}
	return g.journaled.unknown
}

func (g *backlogGame) triesOf(event *messages.Envelope) Tries {
	if g.journaled == nil {
		return Tries{}
	}
	return g.journaled.tries[event]
}

// stopWaiting takes events out of those that wait.
func (g *backlogGame) stopWaiting(events ...*messages.Envelope) {
	for _, event := range events {
		if g.journaled != nil && slices.Contains(g.inMemory(), event) {
			g.journaled.size--
		}
		g.waiting = without(g.waiting, event)
	}
}

func (g *backlogGame) hasToRead() bool {
	if g.journaled == nil || g.journaled.reading || len(g.behind()) == 0 {
		return false
	}
	needed := len(g.inMemory()) == 0 || g.batch.Batches() && !g.full()
	return g.holdsLessThan(2) || needed && g.holdsLessThan(1)
}

func (g *backlogGame) awaitsReading() bool {
	return g.journaled != nil && g.journaled.failed.IsZero() && len(g.behind()) > 0 && (g.journaled.reading || g.hasToRead())
}

// keepLetters is what the keeper of letters tells the journal's store.
func (g *backlogGame) keepLetters(fate Fate, events []*messages.Envelope) {
	if g.journaled != nil {
		for _, event := range events {
			g.journaled.journal.end(g.placeOf(event), fate)
		}
	}
}

// compareJournal finds in the journal what is held, all of it and nothing else.
func (g *backlogGame) compareJournal() {
	if g.journaled == nil {
		return
	}
	var held, kept []uint64
	for _, event := range slices.Concat(g.waiting, g.unknown(), g.eventsOf(g.flying...), g.eventsOf(g.retrying...)) {
		held = append(held, g.journaled.numbers[event])
	}
	for _, stored := range g.journaled.journal.held {
		kept = append(kept, stored.Number)
	}
	require.ElementsMatch(g, held, kept)
	ledger := g.backlog.Ledger()
	require.Equal(g, ledger.Held(), ledger.Kept)
	require.EqualValues(g, g.journaled.found, ledger.AcceptedStore)
	readsAgain, ok := g.backlog.readsAgain(g.now)
	require.Equal(g, g.hasToRead() && !g.journaled.failed.IsZero() && g.journaled.failed.Add(time.Second).After(g.now), ok)
	if ok {
		require.Equal(g, g.journaled.failed.Add(time.Second), readsAgain)
	}
}
