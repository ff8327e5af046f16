package bolt

import (
	"fmt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

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
