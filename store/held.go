package store

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// Held is what is kept of one endpoint. It is the endpoint's delivery.Journal, and reads for it.
type Held struct {
	store *Store
	name  string

	// Guarded by store.mu.
	record      EndpointRecord // what the next commit makes true
	last        uint64         // number told so far
	uncommitted map[uint64]*hold
	order       []*hold // of uncommitted, by number; those that ended or are committed are among them until they come first
}

func newHeld(s *Store, name string, record EndpointRecord) *Held {
	record.Account.Dropped = nonNil(record.Account.Dropped)
	record.Account.DeadLettered = nonNil(record.Account.DeadLettered)
	return &Held{store: s, name: name, record: record, last: record.Last, uncommitted: map[uint64]*hold{}}
}

func nonNil(counts map[string]uint64) map[string]uint64 {
	if counts == nil {
		return map[string]uint64{}
	}
	return counts
}

// Kept is what the endpoint holds, to be restored, before it is told anything.
func (h *Held) Kept() delivery.Kept {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	kept := h.present().Kept
	kept.Last = h.last
	return kept
}

// present is the record with all that is told so far.
func (h *Held) present() EndpointRecord {
	record := h.snapshot()
	for _, hold := range h.uncommitted {
		if hold.state == gathered {
			record.accept(hold)
		}
	}
	return record
}

// snapshot is a copy of the record that stays as it is.
func (h *Held) snapshot() EndpointRecord {
	record := h.record
	record.Account.Dropped = maps.Clone(record.Account.Dropped)
	record.Account.DeadLettered = maps.Clone(record.Account.DeadLettered)
	return record
}

// accept takes in a hold that is written, or given up as it is.
func (r *EndpointRecord) accept(h *hold) {
	r.Account.accept(h)
	if h.letter != nil {
		r.Account.DeadLettered[h.letter.record.Letter.Reason]++
		return
	}
	volume := &r.Held[h.place.Class]
	volume.Events++
	volume.Bytes += int64(h.size())
}

func (r *EndpointRecord) release(stub delivery.Stub) {
	volume := &r.Held[stub.Class]
	volume.Events--
	volume.Bytes -= int64(stub.Size)
}

// Volume is how much the endpoint holds.
func (r EndpointRecord) Volume() delivery.Volume {
	var sum delivery.Volume
	for _, volume := range r.Held {
		sum.Events += volume.Events
		sum.Bytes += volume.Bytes
	}
	return sum
}

// Accept implements delivery.Journal.
func (h *Held) Accept(a delivery.Acceptance) {
	s := h.store
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.routing
	alone := entry == nil || entry.event != a.Event
	if alone {
		entry = s.newEntry(a.Event)
	}
	taken := &hold{held: h, entry: entry, place: a.Place, at: a.At}
	entry.holds = append(entry.holds, taken)
	entry.open++
	h.last = a.Number
	h.uncommitted[a.Number] = taken
	h.order = append(h.order, taken)
	s.bytes += int64(taken.size())
	if alone {
		_, _ = s.enter(entry, nil)
	}
}

func (s *Store) newEntry(event *messages.Envelope) *entry {
	s.number++
	return &entry{number: s.number, event: event, replay: s.claims.events[event]}
}

// Try implements delivery.Journal.
func (h *Held) Try(place delivery.Place, tries delivery.Tries) {
	s := h.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if hold := h.uncommitted[place.Number]; hold != nil && hold.state == gathered {
		hold.tries = tries
		return
	}
	s.gather.try(TriesRecord{h.name, place, tries})
	s.awake()
}

// End implements delivery.Journal.
func (h *Held) End(stub delivery.Stub, fate delivery.Fate) {
	s := h.store
	s.mu.Lock()
	hold := h.uncommitted[stub.Number]
	s.bytes -= int64(stub.Size)
	h.record.Account.end(fate)
	var safe []func(error)
	first := s.gather.empty()
	if hold != nil && hold.state == gathered {
		h.record.Account.accept(hold)
		safe = s.endUnwritten(hold)
	} else {
		h.record.release(stub)
		s.gather.end(h, stub.Place)
		if hold != nil {
			hold.ended = true
		}
	}
	if first && !s.gather.empty() {
		s.awake()
	}
	s.mu.Unlock()
	tellAll(safe, nil)
}

// endUnwritten ends a hold that no group has yet, and returns the receipts that are to be given.
func (s *Store) endUnwritten(h *hold) []func(error) {
	h.ended = true
	h.held.forget(h)
	h.held.touch()
	entry := h.entry
	entry.open--
	if entry.open > 0 || !entry.routed {
		return nil
	}
	s.figures.spared++
	s.pace.ended++
	s.gather.drop(entry)
	receipts := entry.receipts
	entry.receipts = nil
	return receipts
}

// forget takes a hold off those that are not committed.
func (h *Held) forget(hold *hold) {
	delete(h.uncommitted, hold.place.Number)
	for len(h.order) > 0 && (h.order[0].ended || h.order[0].state == committed) {
		h.order[0] = nil
		h.order = h.order[1:]
	}
	if len(h.order) == 0 {
		h.order = nil
	}
}

// touch has the next group write the endpoint's account.
func (h *Held) touch() { h.store.gather.touch(h) }

func (a *Account) accept(h *hold) {
	a.Accepted++
	if h.entry.replay != uuid.Nil {
		a.AcceptedReplay++
	}
}

func (a *Account) end(fate delivery.Fate) {
	switch fate.Kind() {
	case delivery.KindDelivered:
		a.Delivered++
	case delivery.KindDropped:
		a.Dropped[fate.Reason()]++
	}
}

// Behind implements delivery.Journal.
func (h *Held) Behind(class messages.Class, after uint64, most int) []delivery.Stub {
	fresh := h.fresh(after)
	stubs, err := h.store.keeper.Stubs(h.name, class, after, most)
	if err != nil {
		h.store.log.Error("the store can't be read", "endpoint", h.name, "error", err)
		return nil
	}
	var last uint64
	if len(stubs) > 0 {
		last = stubs[len(stubs)-1].Number
	}
	for _, hold := range fresh {
		if len(stubs) == most {
			break
		}
		if hold.place.Class == class && hold.place.Number > last {
			stubs = append(stubs, delivery.Stub{Place: hold.place, Size: hold.size()})
		}
	}
	return stubs
}

// fresh are the holds after a number that are not known to be committed, by number.
func (h *Held) fresh(after uint64) []*hold {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	return h.freshLocked(after)
}

func (h *Held) freshLocked(after uint64) []*hold {
	first, _ := slices.BinarySearchFunc(h.order, after+1, func(hold *hold, number uint64) int {
		return int(int64(hold.place.Number - number)) //nolint:gosec // numbers of one endpoint are near each other
	})
	var fresh []*hold
	for _, hold := range h.order[first:] {
		if !hold.ended && hold.letter == nil && hold.state != committed {
			fresh = append(fresh, hold)
		}
	}
	return fresh
}

// Read reads what the endpoint holds after a number: what is committed, and what is not yet.
func (h *Held) Read(after uint64, most delivery.Volume) (HeldRecords, error) {
	h.store.mu.Lock()
	fresh, through := h.freshLocked(after), h.last
	h.store.mu.Unlock()
	read, err := h.store.keeper.Held(h.name, after, most)
	if err != nil {
		return HeldRecords{}, err
	}
	if read.More {
		return read, nil
	}
	last := after
	if n := len(read.Events); n > 0 {
		last = read.Events[n-1].Number
	}
	if n := len(read.Damaged); n > 0 {
		last = max(last, read.Damaged[n-1].Number)
	}
	left := most
	for _, stored := range read.Events {
		left.Events--
		left.Bytes -= int64(stored.Event.Size())
	}
	for _, hold := range fresh {
		if hold.place.Number <= last {
			continue
		}
		left.Events--
		left.Bytes -= int64(hold.size())
		if len(read.Events) > 0 && (left.Events < 0 || left.Bytes < 0) {
			return read, nil
		}
		read.Events = append(read.Events, delivery.Stored{
			Acceptance: delivery.Acceptance{Place: hold.place, Event: hold.entry.event, At: hold.at, Replayed: hold.entry.replay != uuid.Nil},
			Tries:      hold.tries,
		})
		read.Through = hold.place.Number
	}
	read.Through = max(read.Through, through)
	return read, nil
}

// Synced is Store.Synced.
func (h *Held) Synced(told func(error)) { h.store.Synced(told) }
