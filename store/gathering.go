package store

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
)

// gathering is what the next group will ask for.
type gathering struct {
	entries delivery.FIFO[*entry] // in the order in which they came; those that ended are among them until they come first
	open    int                   // entries that have not ended
	bytes   int64                 // of the events of open entries, and of committing
	since   time.Time             // since when there is something else; zero: there is nothing else

	tries   map[triesKey]TriesRecord
	letters []*letterToKeep // of events that the keeper has
	ends    []EndRecord
	deleted []uuid.UUID
	touched map[*Held]struct{} // their accounts changed
	trim    bool               // dead letters may be too old

	waiting []func(error) // want to hear that all before is synced
	urgent  bool          // somebody waits who should not wait for deliveries
	refused bool          // the router was told that too much is gathered

	committing *round
}

type triesKey struct {
	endpoint string
	delivery.Place
}

// round is a group on its way, and whom it concerns.
type round struct {
	group   *Group
	entries []*entry
	letters []*letterToKeep
	claimed []uuid.UUID // letters that are none any more after it
	waiting []func(error)
	bytes   int64
}

func (g *gathering) begin() {
	if g.since.IsZero() {
		g.since = time.Now()
	}
}

func (g *gathering) add(e *entry) {
	e.since = time.Now()
	g.entries.Push(e)
	g.open++
	g.bytes += int64(e.event.Size())
}

// drop takes an entry out that ended before it was written.
func (g *gathering) drop(e *entry) {
	g.open--
	g.bytes -= int64(e.event.Size())
	for g.entries.Len() > 0 && g.entries.At(0).open == 0 {
		g.entries.Pop()
	}
	if e.replay != uuid.Nil {
		g.delete(e.replay)
	}
}

// due is when a group is to be committed that waits so long for its deliveries to end. There must be something to commit.
func (g *gathering) due(delay time.Duration) time.Time {
	since := g.since
	if g.open > 0 && (since.IsZero() || g.entries.At(0).since.Before(since)) {
		since = g.entries.At(0).since
	}
	return since.Add(delay)
}

func (g *gathering) try(record TriesRecord) {
	g.begin()
	if g.tries == nil {
		g.tries = map[triesKey]TriesRecord{}
	}
	g.tries[triesKey{record.Endpoint, record.Place}] = record
}

func (g *gathering) end(h *Held, place delivery.Place) {
	g.begin()
	g.ends = append(g.ends, EndRecord{h.name, place})
	delete(g.tries, triesKey{h.name, place})
	g.touch(h)
}

func (g *gathering) giveUp(h *Held, letter *letterToKeep) {
	g.begin()
	g.letters = append(g.letters, letter)
	g.touch(h)
}

func (g *gathering) delete(letters ...uuid.UUID) {
	g.begin()
	g.deleted = append(g.deleted, letters...)
}

// touch notes that the account of the endpoint changed, which alone is no reason for a commit.
func (g *gathering) touch(h *Held) {
	if g.touched == nil {
		g.touched = map[*Held]struct{}{}
	}
	g.touched[h] = struct{}{}
}

// empty tells whether there is nothing to commit; accounts alone can wait.
func (g *gathering) empty() bool {
	return g.open == 0 && len(g.tries) == 0 && len(g.letters) == 0 && len(g.ends) == 0 &&
		len(g.deleted) == 0 && !g.trim
}

// take makes a round of what is gathered, with the entries that were gathered by the given time: younger ones may still end
// before they are written. What is gathered from then on waits for the next round.
func (s *Store) take(gatheredBy time.Time) *round {
	g := &s.gather
	r := &round{group: &Group{Endpoints: map[string]EndpointRecord{}}, claimed: slices.Clone(g.deleted), waiting: g.waiting}
	for g.entries.Len() > 0 && !g.entries.At(0).since.After(gatheredBy) {
		if e, _ := g.entries.Pop(); e.open > 0 {
			s.takeEntry(r, e)
		}
	}
	for _, record := range g.tries {
		r.group.Tries = append(r.group.Tries, record)
	}
	r.letters = append(r.letters, g.letters...)
	for _, letter := range r.letters {
		r.group.Letters = append(r.group.Letters, letter.record)
	}
	r.group.Ends, r.group.Deleted = g.ends, g.deleted
	r.group.Trim = s.letterBounds(g.trim || len(r.letters) > 0)
	for held := range g.touched {
		r.group.Endpoints[held.name] = held.snapshot()
	}
	s.gather = gathering{
		entries: g.entries, open: g.open - len(r.entries), bytes: g.bytes, refused: g.refused, committing: r,
	}
	return r
}

func (s *Store) takeEntry(r *round, e *entry) {
	holds := e.openHolds()
	if e.replay == uuid.Nil {
		r.group.Events = append(r.group.Events, EventRecord{e.number, e.event})
	} else {
		r.claimed = append(r.claimed, e.replay)
	}
	for _, h := range holds {
		h.state = committing
		h.held.record.accept(h)
		if h.letter != nil {
			r.letters = append(r.letters, h.letter)
		}
		h.held.record.Last = max(h.held.record.Last, h.place.Number)
		h.held.touch()
		record := HoldRecord{
			Endpoint: h.held.name, Place: h.place, Event: e.number, Shared: len(holds) > 1,
			Size: h.size(), At: h.at, Tries: h.tries,
		}
		if e.replay == uuid.Nil {
			r.group.Holds = append(r.group.Holds, record)
		} else {
			r.group.Replays = append(r.group.Replays, ReplayRecord{e.replay, record})
		}
	}
	r.entries = append(r.entries, e)
	r.bytes += int64(e.event.Size())
}

func (e *entry) openHolds() []*hold {
	var open []*hold
	for _, h := range e.holds {
		if !h.ended {
			open = append(open, h)
		}
	}
	return open
}
