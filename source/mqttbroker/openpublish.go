package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// openPublish is a PUBLISH that is processed. What is kept of it, with all its subscribers and for QoS 2 its packet id, is
// kept whole or not at all: else a client that sends it again after a crash would be told that it was there, or would make
// a second one of it. That of QoS 2 stays open until its event is safe, because the packet id says that it is.
type openPublish struct {
	keeper   *persistence.Keeper
	clientID string
	bracket  *persistence.Bracket
}

// OnPublish begins to keep together what is kept of one message.
func (k *keeping) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if l := k.sessions.link(cl); l != nil {
		l.publish = k.beginPublish(cl.ID)
	}
	return pk, nil
}

func (k *keeping) beginPublish(clientID string) *openPublish {
	p := &openPublish{k.keeper, clientID, k.keeper.Begin()}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.publishes[clientID] = p // another one's is of a connection that is taken over, to which nothing is promised any more
	return p
}

// bracketOf finds what is kept together with a message of the client; nil for a will's, which nobody is promised.
func (k *keeping) bracketOf(clientID string) *persistence.Bracket {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.publishes[clientID]; p != nil {
		return p.bracket
	}
	return nil
}

// OnPacketProcessed ends what is kept of a message that needs no acknowledgement.
func (k *keeping) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if l := k.sessions.link(cl); l != nil && !pk.Ignore { // Ignore: not in the goroutine that reads
		k.endPublish(l)
	}
}

func (k *keeping) endPublish(l *link) {
	if p := k.handedOut(l); p != nil {
		p.bracket.End()
	}
}

// handedOut takes the publish that is processed, of which all its subscribers have their messages; nil where there is none.
func (k *keeping) handedOut(l *link) *openPublish {
	p := l.publish
	if p == nil {
		return nil
	}
	l.publish = nil
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.publishes[p.clientID] == p {
		delete(k.publishes, p.clientID)
	}
	return p
}

// openBracket is nil where there is none.
func (p *openPublish) openBracket() *persistence.Bracket {
	if p == nil {
		return nil
	}
	return p.bracket
}

// end gives the receipt when what is kept of the publish is on disk, or could not be written: before it returns where
// nothing is, and else perhaps in the goroutine that commits, which the receipt must not keep waiting.
func (p *openPublish) end(receipt func(error)) {
	if p == nil {
		receipt(nil)
		return
	}
	p.bracket.End()
	if !p.bracket.Used() {
		receipt(nil)
		return
	}
	p.keeper.Synced(receipt)
}
