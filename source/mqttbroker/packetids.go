package mqttbroker

import (
	"maps"
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// packetIDs are those of a session's messages with QoS 2 that the client has not released yet: its own, each with
// the one that it has in mochi, where both directions share one space.
type packetIDs struct {
	mu       sync.Mutex
	underWay map[uint16]incomingMessage // by the client's id
	unsafe   []uint16                   // of mochi: of messages whose events are not safe, which mochi has to forget
}

// incomingMessage is a message with QoS 2 that the client has not released yet.
type incomingMessage struct {
	inner   uint16 // its packet id in mochi
	receipt *receipt
}

// translate finds the message that the client's id of a PUBLISH with QoS 2 stands for, or makes it one. It fails where the
// client has as many under way as it may (MQTT 5.0 §3.3.4).
func (p *packetIDs) translate(cl *mqtt.Client, id, newest uint16, maximum int) (message incomingMessage, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if message, ok = p.underWay[id]; ok {
		return message, true
	}
	if len(p.underWay) >= maximum {
		return message, false
	}
	if p.underWay == nil {
		p.underWay = map[uint16]incomingMessage{}
	}
	message = incomingMessage{unused(cl, newest), &receipt{}}
	p.underWay[id] = message
	message.receipt.then(func(err error) {
		if err != nil {
			p.refused(id, message)
		}
	})
	return message, true
}

// refused releases the client's id of a message whose event is not safe, before the client learns it.
func (p *packetIDs) refused(id uint16, message incomingMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay[id] == message {
		delete(p.underWay, id)
		p.unsafe = append(p.unsafe, message.inner)
	}
}

// takeUnsafe takes the ids that mochi has to forget.
func (p *packetIDs) takeUnsafe() []uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.unsafe
	p.unsafe = nil
	return ids
}

// find returns 0, which is no packet id, where the client's id is unknown.
func (p *packetIDs) find(id uint16) uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.underWay[id].inner
}

// all lists the client's ids.
func (p *packetIDs) all() []uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.inner))
}

func (p *packetIDs) release(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.underWay, id)
}

// keep forgets what mochi does not hold for the client, and has mochi forget what it holds of no message: one whose event
// was not safe while nobody was connected.
func (p *packetIDs) keep(cl *mqtt.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := map[uint16]bool{}
	for id, message := range p.underWay {
		if !inFlight(cl, message.inner) {
			delete(p.underWay, id)
		}
		known[message.inner] = true
	}
	p.unsafe = nil
	for _, pk := range cl.State.Inflight.GetAll(false) {
		if pk.FixedHeader.Type == packets.Pubrec && !known[pk.PacketID] {
			p.unsafe = append(p.unsafe, pk.PacketID)
		}
	}
}

// restore takes up an id of a session that outlived the process.
func (p *packetIDs) restore(id, inner uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inner == nil {
		p.inner = map[uint16]uint16{}
	}
	p.inner[id] = inner
}

func (p *packetIDs) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay = nil
}

// unused finds a packet id that mochi uses in neither direction, and will not before it knows of it: mochi counts up from
// the newest that it gave, and has at most maxInflight under way.
func unused(cl *mqtt.Client, newest uint16) uint16 {
	id := newest + 1<<15
	for id == 0 || inFlight(cl, id) {
		id++
	}
	return id
}

func inFlight(cl *mqtt.Client, id uint16) bool {
	_, held := cl.State.Inflight.Get(id)
	return held
}
