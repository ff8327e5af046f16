package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/store"
)

// salvaged is what came of a damaged file.
type salvaged struct {
	Events  int // that are held or dead letters now
	Letters int // of them
	Damaged int // of them, and of those that nobody has any more, those whose body is not what was written
	Held    int // that are held again though the record of that is lost; some may have been delivered before
}

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
