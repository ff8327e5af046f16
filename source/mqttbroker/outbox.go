package mqttbroker

import (
	"slices"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// outbox is the order in which a session's messages with QoS 1 and 2 were queued, and so are sent, and sent again when
// the client comes back (MQTT 5.0 §4.6). The messages themselves are in mochi's map of what is in flight.
type outbox struct {
	writing sync.Mutex   // held while something is written, so that nothing passes anything
	kept    *keptSession // of the session

	mu        sync.Mutex
	client    *mqtt.Client // mochi's latest of the session; nil before the first
	link      *link        // its connection; nil: nobody to send to
	loggingIn bool         // a connection of the session logs in
	newest    uint16       // packet id that mochi gave last
	waiting   []outboxEntry
	underWay  []outboxEntry // sent on this connection and not acknowledged; at most the client's Receive Maximum
}

// outboxEntry is a message, or the PUBREL that took its place.
type outboxEntry struct {
	id      uint16              // its packet id
	written bool                // on this connection or an earlier one
	record  *persistence.Record // in the broker's file; nil: none
	// While a client logs in, mochi loses what it queues between copying the session and changing over to the copy. So
	// messages of that time are kept, with the client that they were queued for.
	message *packets.Packet
	from    *mqtt.Client
}

// queued puts a message at the end. It tells whether mochi will not say so to whom it must be sent.
func (o *outbox) queued(cl *mqtt.Client, pk *packets.Packet) (stray bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	message := outboxEntry{id: pk.PacketID}
	switch {
	case o.loggingIn:
		kept := *pk
		message.message, message.from = &kept, cl
	case o.client != nil && o.client != cl:
		if message.id = adopt(o.client, pk); message.id == 0 {
			return false
		}
		stray = true
	case !inFlight(cl, pk.PacketID):
		cl.State.Inflight.Set(*pk) // attach took it out, because it was not in the outbox yet
	}
	o.newest = message.id
	message.record = o.kept.queue(pk, message.id, false)
	o.waiting = append(o.waiting, message)
	return stray
}

// detach stops the sending. What was under way comes first when it goes on.
func (o *outbox) detach(loggingIn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link, o.loggingIn = nil, loggingIn
	o.waiting, o.underWay = append(o.underWay, o.waiting...), nil
}

// attach makes a client the one to send to, gives it what mochi left behind, and takes out what is of no use any more.
func (o *outbox) attach(cl *mqtt.Client, l *link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.client, o.link, o.loggingIn = cl, l, false
	known := map[uint16]bool{}
	for i := range o.waiting {
		message := &o.waiting[i]
		if message.message != nil && message.from != cl && !holds(cl, message) {
			message.id = adopt(cl, message.message)
			o.kept.requeue(message.record, message.message, message.id, false)
		}
		message.message, message.from = nil, nil
		known[message.id] = true
	}
	for _, pk := range cl.State.Inflight.GetAll(false) {
		ours := pk.FixedHeader.Type == packets.Publish || pk.FixedHeader.Type == packets.Pubrel
		if ours && !known[pk.PacketID] {
			cl.State.Inflight.Delete(pk.PacketID) // was acknowledged while mochi copied the session, or is adopted
		}
	}
}

// holds tells whether the client's copy of the session has the message, and not another one under its packet id.
func holds(cl *mqtt.Client, message *outboxEntry) bool {
	held, ok := cl.State.Inflight.Get(message.id)
	kept := message.message
	if !ok || len(held.Payload) != len(kept.Payload) {
		return false
	}
	if len(kept.Payload) == 0 {
		return held.TopicName == kept.TopicName
	}
	return &held.Payload[0] == &kept.Payload[0] // mochi copies the payload for each client that it queues it for
}

// adopt puts a message among those of the client, and returns its packet id there; 0 where there is no room.
func adopt(cl *mqtt.Client, message *packets.Packet) uint16 {
	id, err := cl.NextPacketID()
	if err != nil {
		return 0
	}
	adopted := *message
	adopted.PacketID = uint16(id)
	cl.State.Inflight.Set(adopted)
	return adopted.PacketID
}

// empty drops everything, for a session that begins anew.
func (o *outbox) empty() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget()
	o.waiting, o.underWay = nil, nil
}

// forget drops what is kept of everything.
func (o *outbox) forget() {
	for _, entries := range [][]outboxEntry{o.waiting, o.underWay} {
		for i := range entries {
			o.kept.unqueue(entries[i].record)
			entries[i].record = nil
		}
	}
}

// keepAll keeps what is not kept yet, for a session that is to outlive the process from now on.
func (o *outbox) keepAll(cl *mqtt.Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.waiting { // underWay is empty while a client logs in
		message := &o.waiting[i]
		if message.record != nil {
			continue
		}
		if message.message != nil {
			message.record = o.kept.queue(message.message, message.id, false)
		} else if pk, held := cl.State.Inflight.Get(message.id); held {
			message.record = o.kept.queue(&pk, message.id, message.written)
		}
	}
}

// keepNone drops what is kept, and goes on with all of it in memory.
func (o *outbox) keepNone() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget()
}

// next takes the first message that waits, if the client may be sent one more (MQTT 5.0 §4.9).
func (o *outbox) next() (*mqtt.Client, *link, packets.Packet, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.link != nil && len(o.waiting) > 0 && len(o.underWay) < o.link.window {
		message := o.waiting[0]
		o.waiting = o.waiting[1:]
		pk, held := o.client.State.Inflight.Get(message.id)
		if !held || expired(&pk) {
			o.kept.unqueue(message.record)
			continue // mochi clears what has expired
		}
		if pk.FixedHeader.Type == packets.Publish {
			pk.FixedHeader.Dup = message.written // MQTT 5.0 §3.3.1.1
			if !message.written {
				o.kept.requeue(message.record, &pk, message.id, true)
			}
		}
		message.written = true
		o.underWay = append(o.underWay, message)
		return o.client, o.link, pk, true
	}
	return nil, nil, packets.Packet{}, false
}

// has tells whether a packet id is that of a message that was sent to the client and needs it still.
func (o *outbox) has(cl *mqtt.Client, packetID uint16) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.client == cl && slices.ContainsFunc(o.underWay, func(message outboxEntry) bool { return message.id == packetID })
}

// acknowledged makes room for another message.
func (o *outbox) acknowledged(packetID uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.underWay = o.without(o.underWay, packetID)
}

// released takes note that the client has a message of QoS 2. It tells whether the broker's file has the message until the
// next commit: a PUBREL that went out before could be followed, after a crash, by the message.
func (o *outbox) released(packetID uint16) (stored bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, entries := range [][]outboxEntry{o.underWay, o.waiting} {
		for i := range entries {
			if entries[i].id == packetID {
				return o.kept.release(entries[i].record, packetID)
			}
		}
	}
	return false
}

// dropped takes out a message that waits. One that was sent stays until the client acknowledges it.
func (o *outbox) dropped(packetID uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = o.without(o.waiting, packetID)
}

func (o *outbox) without(entries []outboxEntry, packetID uint16) []outboxEntry {
	return slices.DeleteFunc(entries, func(message outboxEntry) bool {
		if message.id != packetID {
			return false
		}
		o.kept.unqueue(message.record)
		return true
	})
}

func (o *outbox) inUse() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link != nil || o.loggingIn
}

func (o *outbox) newestID() uint16 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.newest
}

// expired tells whether mochi is about to clear the message (MQTT 5.0 §3.3.2.3.3).
func expired(pk *packets.Packet) bool {
	return pk.ProtocolVersion == 5 && pk.Expiry > 0 && pk.Expiry < time.Now().Unix()
}
