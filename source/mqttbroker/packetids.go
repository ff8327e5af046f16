package mqttbroker

import (
	"maps"
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// packetIDs are those of a session's messages with QoS 2 that the client has not released yet: its own, each with
// the one that it has in mochi, where both directions share one space.
type packetIDs struct {
	mu    sync.Mutex
	inner map[uint16]uint16
}

// translate finds the id that the client's id of a PUBLISH with QoS 2 has in mochi, or gives it one. It fails where the
// client has as many under way as it may (MQTT 5.0 §3.3.4).
func (p *packetIDs) translate(cl *mqtt.Client, id, newest uint16, maximum int) (inner uint16, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inner, ok = p.inner[id]; ok {
		return inner, true
	}
	if len(p.inner) >= maximum {
		return 0, false
	}
	if p.inner == nil {
		p.inner = map[uint16]uint16{}
	}
	p.inner[id] = unused(cl, newest)
	return p.inner[id], true
}

// find returns 0, which is no packet id, where the client's id is unknown.
func (p *packetIDs) find(id uint16) uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inner[id]
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
	delete(p.inner, id)
}

// keep forgets what mochi does not hold for the client.
func (p *packetIDs) keep(cl *mqtt.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, inner := range p.inner {
		if !inFlight(cl, inner) {
			delete(p.inner, id)
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
	p.inner = nil
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
