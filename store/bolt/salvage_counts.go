package bolt

import (
	"bytes"
	"maps"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

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
