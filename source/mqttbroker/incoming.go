package mqttbroker

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// incoming are the packet ids of a session's messages with QoS 2 that the client has not released yet: its own, each with
// the one that it has in mochi, where both directions share one space.
type incoming struct {
	mu    sync.Mutex
	inner map[uint16]uint16
}

// translate finds the id that the client's id of a PUBLISH with QoS 2 has in mochi, or gives it one. It fails where the
// client has as many under way as it may (MQTT 5.0 §3.3.4).
func (i *incoming) translate(cl *mqtt.Client, id, newest uint16, maximum int) (inner uint16, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if inner, ok = i.inner[id]; ok {
		return inner, true
	}
	if len(i.inner) >= maximum {
		return 0, false
	}
	if i.inner == nil {
		i.inner = map[uint16]uint16{}
	}
	i.inner[id] = unused(cl, newest)
	return i.inner[id], true
}

// find returns 0, which is no packet id, where the client's id is unknown.
func (i *incoming) find(id uint16) uint16 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inner[id]
}

func (i *incoming) release(id uint16) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.inner, id)
}

// keep forgets what mochi does not hold for the client.
func (i *incoming) keep(cl *mqtt.Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, inner := range i.inner {
		if !inFlight(cl, inner) {
			delete(i.inner, id)
		}
	}
}

func (i *incoming) empty() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.inner = nil
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
