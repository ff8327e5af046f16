package mqttbroker

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// keptSession is what of a session is in the broker's file, or on its way there. It keeps nothing of a session that ends
// with its connection, and nothing where the broker has no file. The records of what the session has to send are in its
// outbox.
type keptSession struct {
	keeping *keeping // nil: there is no file

	mu       sync.Mutex
	record   *persistence.Record // nil: nothing is kept
	is       sessionRecord
	filters  map[string]*persistence.Record
	received map[uint16]*persistence.Record // by the client's packet id
}

// begin keeps the session as a connection begins or goes on with it, and tells whether it is kept anew.
func (s *keptSession) begin(is sessionRecord) (anew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = is
	if s.record != nil {
		s.keeping.keeper.Replace(s.record, is.encode)
		return false
	}
	s.record = s.keeping.keeper.Keep(nil, is.encode)
	s.filters = map[string]*persistence.Record{}
	s.received = map[uint16]*persistence.Record{}
	return true
}

// disconnected keeps since when the session has no connection, and for how long it lasts.
func (s *keptSession) disconnected(at int64, expires bool, expiry uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return
	}
	s.is.disconnected, s.is.expires, s.is.expiry = at, expires, expiry
	is := s.is
	s.keeping.keeper.Replace(s.record, is.encode)
}

// isKept tells whether anything is.
func (s *keptSession) isKept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record != nil
}

// end keeps nothing of the session any more. It tells whether something was kept.
func (s *keptSession) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return false
	}
	for _, record := range s.filters {
		s.keeping.keeper.Drop(record)
	}
	for _, record := range s.received {
		s.keeping.keeper.Drop(record)
	}
	s.keeping.keeper.Drop(s.record)
	s.record, s.filters, s.received = nil, nil, nil
	return true
}

// subscribed keeps a subscription. It tells whether there is something to wait for.
func (s *keptSession) subscribed(subscription packets.Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return false
	}
	session := s.record.Number()
	encode := func() []byte { return encodeSubscription(session, &subscription) }
	if record, known := s.filters[subscription.Filter]; known {
		s.keeping.keeper.Replace(record, encode)
	} else {
		s.filters[subscription.Filter] = s.keeping.keeper.Keep(nil, encode)
	}
	return true
}

func (s *keptSession) unsubscribed(filter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if record, known := s.filters[filter]; known {
		delete(s.filters, filter)
		s.keeping.keeper.Drop(record)
	}
}

// receive keeps a packet id of which the client is told that its message is there.
func (s *keptSession) receive(of *persistence.Bracket, id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil || s.received[id] != nil {
		return
	}
	session := s.record.Number()
	s.received[id] = s.keeping.keeper.Keep(of, func() []byte { return encodePacketID(kindReceived, session, id) })
}

// complete drops a packet id that stands for no message any more. It tells whether the file has it until the next commit.
func (s *keptSession) complete(id uint16) (stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, known := s.received[id]
	if !known {
		return false
	}
	delete(s.received, id)
	return s.keeping.keeper.Drop(record)
}

// queue keeps a message that the session has to send, under the packet id that it has there. It returns nil where nothing
// is kept.
func (s *keptSession) queue(pk *packets.Packet, id uint16, sent bool) *persistence.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return nil
	}
	session := s.record.Number()
	if pk.FixedHeader.Type == packets.Pubrel {
		return s.keeping.keeper.Keep(nil, func() []byte { return encodePacketID(kindReleased, session, id) })
	}
	message := newKeptMessage(pk)
	message.id, message.sent = id, sent
	return s.keeping.keeper.Keep(s.keeping.bracketOf(message.origin), func() []byte { return message.encodeQueued(session) })
}

// requeue keeps a message as it is now.
func (s *keptSession) requeue(record *persistence.Record, pk *packets.Packet, id uint16, sent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil || record == nil {
		return
	}
	session, message := s.record.Number(), newKeptMessage(pk)
	message.id, message.sent = id, sent
	s.keeping.keeper.Replace(record, func() []byte { return message.encodeQueued(session) })
}

// release keeps of a message that its PUBREC came. It tells whether the file has the message until the next commit.
func (s *keptSession) release(record *persistence.Record, id uint16) (stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil || record == nil {
		return false
	}
	session := s.record.Number()
	return s.keeping.keeper.Replace(record, func() []byte { return encodePacketID(kindReleased, session, id) })
}

// unqueue drops what the session need not send any more.
func (s *keptSession) unqueue(record *persistence.Record) {
	if record != nil {
		s.keeping.keeper.Drop(record)
	}
}

// outlives tells whether the client's session outlives its connection (MQTT 5.0 §3.1.2.11.2, MQTT 3.1.1 §3.1.2.4).
func outlives(cl *mqtt.Client) bool {
	if cl.Properties.ProtocolVersion == 5 {
		return cl.Properties.Props.SessionExpiryInterval > 0
	}
	return !cl.Properties.Clean
}
