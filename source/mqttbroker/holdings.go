package mqttbroker

import (
	"container/list"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// holdings knows what each session takes.
type holdings struct {
	bounds *bounds
	end    func(id string) // ends a session in mochi

	// changing lets one session begin or end at a time: one that gives way must not be resumed meanwhile.
	changing sync.Mutex

	mu       sync.Mutex
	sessions map[string]*holding // by client id
	offline  list.List           // client ids of the sessions without a connection, by when it ended
}

// holding is what one session takes.
type holding struct {
	conn    *clientConn   // its latest connection
	offline *list.Element // nil: it is connected
	bytes   int64         // of the session itself

	filters           map[string]subscriptionHolding
	subscriptionBytes int64 // the sum of filters
	acknowledged      int   // of the filters, those with a QoS above 0

	queue      map[queued]int64 // bytes
	queueBytes int64            // the sum of queue
}

type subscriptionHolding struct {
	bytes        int64
	acknowledged int // 1 where its QoS is above 0
}

// queued names a message of a session: client and server number theirs independently (MQTT 5.0 §2.2.1).
type queued struct {
	packetID uint16
	inbound  bool // a QoS 2 message that the client sends
}

// begin takes room for a session, new where it is clean. It is false where there is none.
func (h *holdings) begin(id string, conn *clientConn, bytes int64, clean bool) bool {
	return h.makeRoom(id, &h.bounds.sessions, func() bool { return h.tryBegin(id, conn, bytes, clean) })
}

// makeRoom tries to take of a budget. Where nothing is left, the session that has been without a connection for longest
// gives way, and then the next one.
func (h *holdings) makeRoom(id string, of *budget, try func() bool) bool {
	h.changing.Lock()
	defer h.changing.Unlock()
	for !try() {
		abandoned, found := h.abandoned(id, of)
		if !found {
			return false
		}
		h.end(abandoned)
		h.forget(abandoned)
		h.bounds.refused(reasonAbandoned)
	}
	return true
}

// abandoned finds the session that has been without a connection for longest and takes of the budget, but for one.
func (h *holdings) abandoned(but string, of *budget) (id string, found bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := h.offline.Front(); e != nil; e = e.Next() {
		id := e.Value.(string)
		if id != but && (of == &h.bounds.sessions || len(h.sessions[id].filters) > 0) {
			return id, true
		}
	}
	return "", false
}

func (h *holdings) tryBegin(id string, conn *clientConn, bytes int64, clean bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.sessions[id]
	s := before
	if s == nil || clean {
		s = &holding{filters: map[string]subscriptionHolding{}, queue: map[queued]int64{}}
	}
	more := bytes
	if before != nil {
		more -= before.bytes
	}
	if !h.bounds.sessions.take(more) {
		return false
	}
	switch {
	case before != nil && before != s:
		before.bytes = 0 // the new one has taken them over
		h.giveBack(before)
	case s.offline != nil:
		h.offline.Remove(s.offline)
		s.offline = nil
	}
	s.conn, s.bytes = conn, bytes
	h.sessions[id] = s
	return true
}

// roomOf is what the session takes by itself.
func (h *holdings) roomOf(id string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		return s.bytes
	}
	return 0
}

// disconnected takes note that the connection of a session has ended, and the session with it unless it is kept.
func (h *holdings) disconnected(id string, conn *clientConn, kept bool) {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	switch {
	case s == nil || s.conn != conn:
	case kept && s.offline == nil:
		s.offline = h.offline.PushBack(id)
	case !kept:
		h.giveBack(s)
		delete(h.sessions, id)
	}
}

// forget is the end of a session.
func (h *holdings) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		h.giveBack(s)
		delete(h.sessions, id)
	}
}

func (h *holdings) giveBack(s *holding) {
	h.bounds.sessions.giveBack(s.bytes)
	h.bounds.subscriptions.giveBack(s.subscriptionBytes)
	h.bounds.queues.giveBack(s.queueBytes)
	if s.offline != nil {
		h.offline.Remove(s.offline)
	}
}

// subscribe takes room for a subscription. It is false where there is none.
func (h *holdings) subscribe(id, filter string, qos byte) bool {
	subscription := subscriptionHolding{
		bytes:        int64(subscriptionBytes + 3*len(filter) + levelBytes*levels(filter)),
		acknowledged: min(int(qos), 1),
	}
	if !h.hasSubscriptionRoom(id, filter, subscription.bytes) {
		return false
	}
	return h.makeRoom(id, &h.bounds.subscriptions, func() bool { return h.trySubscribe(id, filter, subscription) })
}

func (h *holdings) hasSubscriptionRoom(id, filter string, bytes int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	return s != nil && s.subscriptionBytes-s.filters[filter].bytes+bytes <= h.bounds.clientBytes
}

func (h *holdings) trySubscribe(id, filter string, subscription subscriptionHolding) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	if s == nil || !h.bounds.subscriptions.take(subscription.bytes-s.filters[filter].bytes) {
		return false
	}
	h.setSubscription(s, filter, subscription)
	return true
}

func (h *holdings) setSubscription(s *holding, filter string, subscription subscriptionHolding) {
	before := s.filters[filter]
	s.subscriptionBytes += subscription.bytes - before.bytes
	s.acknowledged += subscription.acknowledged - before.acknowledged
	s.filters[filter] = subscription
}

func (h *holdings) unsubscribe(id, filter string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		h.bounds.subscriptions.giveBack(s.filters[filter].bytes)
		h.setSubscription(s, filter, subscriptionHolding{})
		delete(s.filters, filter)
	}
}

// acknowledges tells whether one of the session's subscriptions has a QoS above 0.
func (h *holdings) acknowledges(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	return s != nil && s.acknowledged > 0
}

// hasQueueRoom tells whether so many bytes more have room in the session's queue.
func (h *holdings) hasQueueRoom(cl *mqtt.Client, bytes int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[cl.ID]
	if s == nil {
		return true
	}
	has := func() bool { return s.queueBytes+bytes <= h.bounds.sessionQueueBytes && h.bounds.queues.has(bytes) }
	if !has() {
		h.recount(s, cl)
	}
	return has()
}

// recount gives back what mochi has dropped from the queue without a word.
func (h *holdings) recount(s *holding, cl *mqtt.Client) {
	for message := range s.queue {
		if _, kept := cl.State.Inflight.Get(message.packetID); !kept {
			h.unqueue(s, message)
		}
	}
}

func (h *holdings) queued(id string, message queued, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		h.unqueue(s, message)
		s.queue[message] = bytes
		s.queueBytes += bytes
		h.bounds.queues.spend(bytes)
	}
}

func (h *holdings) unqueued(id string, message queued) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		h.unqueue(s, message)
	}
}

func (h *holdings) unqueue(s *holding, message queued) {
	bytes := s.queue[message]
	s.queueBytes -= bytes
	h.bounds.queues.giveBack(bytes)
	delete(s.queue, message)
}

// levels counts those of a topic or filter (MQTT 5.0 §4.7.1.1).
func levels(topic string) int { return 1 + strings.Count(topic, "/") }

// messageSize is what it takes to keep a message.
func messageSize(pk *packets.Packet) int64 {
	size := messageBytes + len(pk.TopicName) + len(pk.Payload) +
		len(pk.Properties.ContentType) + len(pk.Properties.ResponseTopic) + len(pk.Properties.CorrelationData)
	for _, property := range pk.Properties.User {
		size += 32 + len(property.Key) + len(property.Val)
	}
	return int64(size)
}
