package mqttbroker

import (
	"strings"
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// deliveries knows what was sent to each session: enough to tell a first delivery from a repetition, which mochi marks
// alike (with DUP) when a client comes back, to find the topic behind an alias, and to tell a delivery after the
// connection that it was made on.
type deliveries struct {
	mu       sync.Mutex
	sessions map[string]*sent // by client id
}

// sent is what was sent to one session.
type sent struct {
	unsent    map[uint16]struct{} // packet ids of messages that were not sent yet; at most 65,535
	aliases   map[uint16]string   // topics of the connection; at most as many as the client allows
	connected bool                // client.connected was told of the connection
	early     []messages.Event    // told when it is; at most as many as a client may have in flight, and what came meanwhile
}

// begin starts a connection of the client id, with a new session where that is clean.
func (d *deliveries) begin(clientID string, clean bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, resumed := d.sessions[clientID]
	if clean || !resumed {
		d.sessions[clientID] = &sent{}
		return
	}
	s.connected = false
	s.aliases = nil // MQTT 5.0 §3.3.2.3.4: an alias ends with its connection
}

// tell tells an event of the connection, at once or after it is told that there is one.
func (d *deliveries) tell(clientID string, event messages.Event, tell func(messages.Event)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.sessions[clientID]; ok && !s.connected {
		s.early = append(s.early, event)
		return
	}
	tell(event)
}

// connected tells what was to be told after client.connected.
func (d *deliveries) connected(clientID string, tell func(messages.Event)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[clientID]
	if !ok {
		return
	}
	for _, event := range s.early {
		tell(event)
	}
	s.connected, s.early = true, nil
}

// queued takes note of a message with QoS 1 or 2 that is to be sent.
func (d *deliveries) queued(clientID string, packetID uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[clientID]
	if !ok { // of a client that mochi loaded from a store
		s = &sent{}
		d.sessions[clientID] = s
	}
	if s.unsent == nil {
		s.unsent = map[uint16]struct{}{}
	}
	s.unsent[packetID] = struct{}{}
}

// sent takes note of a message that was sent, and returns its topic ("" if that can't be known) and whether it was
// sent for the first time.
func (d *deliveries) sent(clientID string, pk *packets.Packet) (topic string, first bool) {
	if pk.FixedHeader.Qos == 0 && pk.Properties.TopicAlias == 0 {
		return pk.TopicName, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[clientID]
	if !ok {
		return pk.TopicName, !pk.FixedHeader.Dup
	}
	_, unsent := s.unsent[pk.PacketID]
	delete(s.unsent, pk.PacketID)
	return s.resolve(pk), unsent || !pk.FixedHeader.Dup
}

// dropped takes note that a message is not sent any more.
func (d *deliveries) dropped(clientID string, packetID uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.sessions[clientID]; ok {
		delete(s.unsent, packetID)
	}
}

// forget ends the session.
func (d *deliveries) forget(clientID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, clientID)
}

// resolve finds the topic of a message; an alias that comes with a topic stands for it from then on.
func (s *sent) resolve(pk *packets.Packet) string {
	alias := pk.Properties.TopicAlias
	if pk.TopicName == "" {
		return s.aliases[alias]
	}
	if alias != 0 {
		if s.aliases == nil {
			s.aliases = map[uint16]string{}
		}
		s.aliases[alias] = strings.Clone(pk.TopicName)
	}
	return pk.TopicName
}
