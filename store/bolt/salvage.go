package bolt

import (
	"bytes"
	"fmt"
	"maps"

	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// salvaged is what came of a damaged file.
type salvaged struct {
	Events  int // that are held or dead letters now
	Letters int // of them
	Damaged int // of them, and of those that nobody has any more, those whose body is not what was written
	Held    int // that are held again though the record of that is lost; some may have been delivered before
}

// changesAtOnce is how many records are put within one transaction.
const changesAtOnce = 4096

// salvage puts what can be read of a damaged file into a new one.
//
// What the newest meta page leads to is taken as it is. Where a page on the way is bad, all other pages are looked through
// for what it led to; they may also be of the past. What is held, or a dead letter, is taken from them only where its event
// is there without anybody who has it, as it is of no event that was ended. And an event that nobody has any more is held
// again by whom it says, because every event that is there has somebody.
type salvage struct {
	old *pages
	new *bbolt.DB

	tx      *bbolt.Tx
	t       tables
	changes int
	failed  error // to write the new file

	has      pageSet // events that somebody has
	names    map[uint32]string
	lost     bool // a page of what is live can't be read
	result   salvaged
	accounts map[string]store.EndpointRecord
}

func newSalvage(old *pages, into *bbolt.DB) *salvage {
	return &salvage{old: old, new: into, has: pageSet{}, names: map[uint32]string{}, accounts: map[string]store.EndpointRecord{}}
}

func (s *salvage) run() (salvaged, error) {
	w := newWalk(s.old, s.live, func(error) { s.lost = true })
	w.all()
	if s.lost {
		s.orphans(w.reached, s.orphanEvent)
		s.orphans(w.reached, s.orphan)
	}
	s.holdAgain()
	s.nameEndpoints()
	s.count()
	s.flush()
	return s.result, s.failed
}

// live takes a record that the newest meta page leads to.
func (s *salvage) live(bucket string, key, value []byte) {
	found, err := kindOf(key, value)
	switch {
	case bucket == string(damagedBucket):
		s.put(damagedBucket, key, value)
	case bucket == string(eventsBucket) && len(key) == 8:
		if err == nil || s.get(eventsBucket, key) == nil {
			s.put(eventsBucket, key, value) // also a damaged one, to say so when it is read
		}
	case err == nil && (bucket != string(heldBucket) || heldKeyValid(key)):
		s.take(found, key, value)
	default:
		s.lost = true
	}
}

// take takes a whole record.
func (s *salvage) take(found kind, key, value []byte) {
	switch found {
	case kindState, kindVersion:
		if found == kindState {
			s.put(metaBucket, key, value)
		}
	case kindEndpoint:
		if e, err := decodeEndpoint(key, value); err == nil {
			s.endpoint(string(key), e)
		}
	case kindName:
		if name, err := decodeName(key, value); err == nil && len(key) == 4 {
			s.names[endpointOfKey(key)] = name
		}
	case kindHold:
		if h, err := decodeHold(key, value); err == nil && heldKeyValid(key) {
			s.has.add(h.event)
			s.put(heldBucket, key, value)
		}
	case kindShared:
		s.put(sharedBucket, key, value)
	case kindLetter:
		if l, err := decodeLetter(key, value); err == nil {
			s.has.add(l.event)
			s.put(lettersBucket, key, value)
		}
	}
}

// endpoint takes the account that tells of most.
func (s *salvage) endpoint(name string, e endpoint) {
	s.names[e.id] = name
	if known, found := s.accounts[name]; !found || known.Account.Accepted < e.Account.Accepted {
		s.accounts[name] = e.EndpointRecord
	}
}

// orphans takes what is in pages that nothing leads to, as take says.
func (s *salvage) orphans(reached pageSet, take func(kind, []byte, []byte)) {
	for id := uint64(2); id < s.old.meta.high; id++ {
		if reached.has(id) {
			continue
		}
		got, _ := s.old.read(id, nil)
		s.orphanElements(got, take)
	}
}

func (s *salvage) orphanElements(got page, take func(kind, []byte, []byte)) {
	for _, e := range got.elements {
		if e.bucket && len(e.value) >= bucketHeader+pageHeader {
			within, _ := inline(e.value)
			s.orphanElements(within, take)
			continue
		}
		if found, err := kindOf(e.key, e.value); err == nil {
			take(found, e.key, e.value)
		}
	}
}

// orphanEvent takes an event that is not there.
func (s *salvage) orphanEvent(found kind, key, value []byte) {
	switch {
	case found == kindEvent && len(key) == 8 && s.get(eventsBucket, key) == nil:
		s.put(eventsBucket, key, value)
	case found == kindName, found == kindEndpoint:
		s.take(found, key, value)
	}
}

// orphan takes a hold or a letter of an event that is there and that nobody has.
func (s *salvage) orphan(found kind, key, value []byte) {
	switch found {
	case kindHold:
		h, err := decodeHold(key, value)
		if err == nil && heldKeyValid(key) && s.free(h.event, h.shared, key[:4]) && s.get(heldBucket, key) == nil {
			s.take(found, key, value)
		}
	case kindLetter:
		l, err := decodeLetter(key, value)
		if err == nil && s.free(l.event, l.shared, key) && s.get(lettersBucket, key) == nil {
			s.take(found, key, value)
		}
	}
}

// free tells that an event is there, and that its holder may be one that was lost.
func (s *salvage) free(event uint64, shared bool, by []byte) bool {
	if s.get(eventsBucket, eventKey(event)) == nil {
		return false
	}
	if shared {
		return s.get(sharedBucket, sharedKey(event, by)) != nil
	}
	return !s.has.has(event)
}

// nameEndpoints puts all endpoints that something was found of.
func (s *salvage) nameEndpoints() {
	nameless := false
	s.each(heldBucket, func(key, _ []byte) { nameless = nameless || s.names[endpointOfKey(key)] == "" })
	if nameless {
		s.each(eventsBucket, func(key, value []byte) {
			if e, err := decodeEvent(key, value); err == nil && s.names[e.first.endpoint] == "" {
				s.names[e.first.endpoint] = e.name
			}
		})
		s.each(heldBucket, func(key, _ []byte) { s.name(endpointOfKey(key)) })
	}
	ids := map[string]uint32{}
	for id, name := range s.names {
		ids[name] = max(ids[name], id)
	}
	last := uint64(0)
	for _, id := range ids {
		last = max(last, uint64(id))
	}
	s.each(lettersBucket, func(key, value []byte) {
		if l, err := decodeLetter(key, value); err == nil && ids[l.Endpoint] == 0 {
			last++
			ids[l.Endpoint], s.names[uint32(last)] = uint32(last), l.Endpoint
		}
	})
	for name, id := range ids {
		s.put(namesBucket, endpointKey(id), encodeName(endpointKey(id), name))
		if _, found := s.accounts[name]; !found {
			s.accounts[name] = store.EndpointRecord{}
		}
	}
	s.fail(s.t.names.SetSequence(last))
	s.each(lettersBucket, func(key, value []byte) {
		if l, err := decodeLetter(key, value); err == nil {
			s.put(byEndpointIndex, byEndpointKey(ids[l.Endpoint], l.eventType, l.ID), nil)
			s.put(byTypeIndex, byTypeKey(l.eventType, l.ID), nil)
		}
	})
}

// name names an endpoint whose name nothing tells any more.
func (s *salvage) name(id uint32) {
	if s.names[id] == "" {
		s.names[id] = fmt.Sprintf("lost-%d", id)
	}
}

// holdAgain has the events that nobody has be held by whom they name, and puts away those that can't tell.
func (s *salvage) holdAgain() {
	s.each(sharedBucket, func(key, value []byte) {
		h, err := decodeShared(key, value)
		number := eventOfKey(key)
		e, failed := decodeEvent(eventKey(number), s.get(eventsBucket, eventKey(number)))
		if err != nil || failed != nil || s.sharedHolder(key, h, e.Type.Class()) {
			return
		}
		s.delete(sharedBucket, key)
		s.holdEvent(number, e, h, true)
	})
	s.each(eventsBucket, func(key, value []byte) {
		number := eventOfKey(key)
		if s.has.has(number) {
			return
		}
		e, err := decodeEvent(key, value)
		if err != nil {
			s.put(damagedBucket, key, value)
			s.delete(eventsBucket, key)
			s.result.Damaged++
			return
		}
		s.holdEvent(number, e, e.first, false)
	})
}

// sharedHolder tells whether the holder that a record of the bucket shared names has the event.
func (s *salvage) sharedHolder(key []byte, h holder, class messages.Class) bool {
	if by := key[8:]; len(by) != 4 {
		return s.get(lettersBucket, by) != nil
	}
	return s.get(heldBucket, heldKey(h.endpoint, delivery.Place{Class: class, Number: h.number})) != nil
}

func (s *salvage) holdEvent(number uint64, e event, by holder, shared bool) {
	key := heldKey(by.endpoint, delivery.Place{Class: e.Type.Class(), Number: by.number})
	if s.get(heldBucket, key) != nil {
		return // another event's, which was there first
	}
	s.has.add(number)
	s.put(heldBucket, key, encodeHold(key, hold{event: number, size: e.Size, at: by.at, shared: shared}))
	if shared {
		key := sharedKey(number, endpointKey(by.endpoint))
		s.put(sharedBucket, key, encodeShared(key, by))
	}
	s.result.Held++
}

// count makes the counts fit what there is.
func (s *salvage) count() {
	held := map[uint32]*delivery.Kept{}
	s.each(heldBucket, func(key, value []byte) {
		h, err := decodeHold(key, value)
		if err != nil {
			return
		}
		id, place := endpointOfKey(key), placeOfKey(key)
		if held[id] == nil {
			held[id] = &delivery.Kept{}
		}
		kept := held[id]
		kept.Last = max(kept.Last, place.Number)
		kept.Held[place.Class].Events++
		kept.Held[place.Class].Bytes += int64(h.size)
		s.result.Events++
		if h.shared {
			s.restoreShared(key, h, place)
		}
	})
	s.countEndpoints(held)
	s.countLetters()
}

// restoreShared notes again that an endpoint has a shared event.
func (s *salvage) restoreShared(key []byte, h hold, place delivery.Place) {
	shared := sharedKey(h.event, key[:4])
	s.put(sharedBucket, shared, encodeShared(shared, holder{endpoint: endpointOfKey(key), number: place.Number, at: h.at}))
}

func (s *salvage) countEndpoints(held map[uint32]*delivery.Kept) {
	names := map[string]uint32{}
	s.each(namesBucket, func(key, value []byte) {
		if name, err := decodeName(key, value); err == nil {
			names[name] = endpointOfKey(key)
		}
	})
	for name, id := range names {
		record := s.accounts[name]
		var kept delivery.Kept
		if found := held[id]; found != nil {
			kept = *found
		}
		kept.Last = max(kept.Last, record.Last)
		record.Account = balance(record.Account, heldEvents(kept))
		record.Kept = kept
		value, err := encodeEndpoint([]byte(name), endpoint{id: id, EndpointRecord: record})
		s.fail(err)
		s.put(endpointsBucket, []byte(name), value)
	}
}

func heldEvents(kept delivery.Kept) (events uint64) {
	for _, volume := range kept.Held {
		events += uint64(volume.Events)
	}
	return events
}

// balance makes an account fit what is held: what is lost was dropped as damaged, and what is there again was accepted.
func balance(account store.Account, held uint64) store.Account {
	known := account.Ended() + held
	if known >= account.Accepted {
		account.Accepted = known
		return account
	}
	account.Dropped = maps.Clone(account.Dropped)
	if account.Dropped == nil {
		account.Dropped = map[string]uint64{}
	}
	account.Dropped["damaged"] += account.Accepted - known
	return account
}

func (s *salvage) countLetters() {
	now := state{}
	if f, err := unseal(kindState, stateKey, s.get(metaBucket, stateKey)); err == nil {
		if before, err := decodeState(f); err == nil {
			now.last = before.last
		}
	}
	s.each(eventsBucket, func(key, _ []byte) { now.last.Event = max(now.last.Event, eventOfKey(key)) })
	s.each(lettersBucket, func(key, value []byte) {
		if l, err := decodeLetter(key, value); err == nil {
			now.letters.Events++
			now.letters.Bytes += int64(l.size)
			if bytes.Compare(key, now.last.Letter[:]) > 0 {
				now.last.Letter = l.ID
			}
			if l.shared {
				shared := sharedKey(l.event, key)
				s.put(sharedBucket, shared, encodeShared(shared, holder{}))
			}
		}
	})
	s.result.Letters = now.letters.Events
	s.begin()
	s.fail(now.write(s.t.meta))
}

// each calls for every record of a bucket of the new file. The call may change that bucket.
func (s *salvage) each(bucket []byte, call func(key, value []byte)) {
	from := []byte{}
	for from != nil {
		s.begin()
		cursor := s.tx.Bucket(bucket).Cursor()
		type record struct{ key, value []byte }
		var some []record
		key, value := cursor.Seek(from)
		for ; key != nil && len(some) < changesAtOnce; key, value = cursor.Next() {
			some = append(some, record{bytes.Clone(key), bytes.Clone(value)})
		}
		from = bytes.Clone(key)
		for _, r := range some {
			call(r.key, r.value)
		}
	}
}

func (s *salvage) get(bucket, key []byte) []byte {
	s.begin()
	return s.tx.Bucket(bucket).Get(key)
}

func (s *salvage) put(bucket, key, value []byte) {
	if len(key) == 0 {
		return
	}
	s.begin()
	s.fail(s.tx.Bucket(bucket).Put(key, value))
	s.changed()
}

func (s *salvage) delete(bucket, key []byte) {
	s.begin()
	s.fail(s.tx.Bucket(bucket).Delete(key))
	s.changed()
}

func (s *salvage) begin() {
	if s.tx != nil {
		return
	}
	tx, err := s.new.Begin(true)
	if err != nil {
		panic(err) // the new file is this goroutine's alone
	}
	s.tx, s.t = tx, tablesOf(tx)
}

func (s *salvage) changed() {
	if s.changes++; s.changes%changesAtOnce == 0 {
		s.flush()
	}
}

func (s *salvage) flush() {
	if s.tx != nil {
		s.fail(s.tx.Commit())
		s.tx = nil
	}
}

func (s *salvage) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}
