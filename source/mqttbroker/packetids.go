package mqttbroker

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// packetIDs are those of a session's messages with QoS 2 that the client has not released yet: its own, each with
// the one that it has in mochi, where both directions share one space.
type packetIDs struct {
	kept *keptSession // of the session

	mu       sync.Mutex
	underWay map[uint16]*incomingMessage // by the client's id
	unsafe   []uint16                    // of mochi: of messages that are not safe, which mochi has to forget
}

// incomingMessage is a message with QoS 2 that the client has not released yet.
type incomingMessage struct {
	inner   uint16   // its packet id in mochi
	receipt *receipt // of all that its acknowledgement waits for
	told    bool     // its event is safe
}

// translate finds the message that the client's id of a PUBLISH with QoS 2 stands for, or makes it one. It fails where the
// client has as many under way as it may (MQTT 5.0 §3.3.4).
func (p *packetIDs) translate(cl *mqtt.Client, id, newest uint16, maximum int) (message *incomingMessage, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if message, ok = p.underWay[id]; ok {
		return message, true
	}
	if len(p.underWay) >= maximum {
		return nil, false
	}
	if p.underWay == nil {
		p.underWay = map[uint16]*incomingMessage{}
	}
	message = &incomingMessage{inner: unused(cl, newest), receipt: &receipt{}}
	p.underWay[id] = message
	message.receipt.then(func(err error) {
		if err != nil {
			p.refused(id, message)
		}
	})
	return message, true
}

// eventIsSafe keeps the client's id, so that after the end of the process a repetition of the message is one.
func (p *packetIDs) eventIsSafe(id uint16, message *incomingMessage, of *openPublish) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay[id] == message {
		message.told = true
		p.kept.receive(of.openBracket(), id)
	}
}

// keepAll keeps the ids of a session that is to outlive the process from now on, but for those that eventIsSafe will.
func (p *packetIDs) keepAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, message := range p.underWay {
		if message.told {
			p.kept.receive(nil, id)
		}
	}
}

// refused releases the client's id of a message that is not safe, before the client learns it.
func (p *packetIDs) refused(id uint16, message *incomingMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay[id] == message {
		delete(p.underWay, id)
		p.kept.complete(id)
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
	if message := p.underWay[id]; message != nil {
		return message.inner
	}
	return 0
}

func (p *packetIDs) release(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.underWay, id)
}

// keep forgets what mochi does not hold for the client, and has mochi forget what it holds of no message: one that was
// not safe while nobody was connected.
func (p *packetIDs) keep(cl *mqtt.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := map[uint16]bool{}
	for id, message := range p.underWay {
		if !inFlight(cl, message.inner) {
			delete(p.underWay, id)
			p.kept.complete(id)
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

// restore takes up an id of a session that outlived the process: of a message that was safe, or it would not be there.
func (p *packetIDs) restore(id, inner uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay == nil {
		p.underWay = map[uint16]*incomingMessage{}
	}
	message := &incomingMessage{inner: inner, receipt: &receipt{}, told: true}
	message.receipt.give(nil)
	p.underWay[id] = message
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
