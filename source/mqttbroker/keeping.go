package mqttbroker

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// keeping is the hook that keeps in a file what clients are promised over the end of the process: sessions that outlive
// their connections, with their subscriptions and queues, and retained messages. Where an answer is a promise, it waits
// until the file has what it promises: CONNACK, SUBACK and UNSUBACK in the goroutine of their connection, of which each
// client has one at a time; PUBREL and PUBCOMP, of which many are under way, beside it. Those of a PUBLISH wait for openPublish.
type keeping struct {
	mqtt.HookBase

	dir      string
	log      *slog.Logger
	server   *mqtt.Server
	sessions *sessions
	quotas   *quotas
	hook     *Hook
	bounds   *bounds
	keeper   *persistence.Keeper // from open on

	mu        sync.Mutex
	publishes map[string]*openPublish        // by client id of the publisher
	retained  map[string]*persistence.Record // by topic
}

func newKeeping(dir string, b *Broker) *keeping {
	return &keeping{
		dir:       dir,
		log:       b.log,
		server:    b.server,
		sessions:  b.sessions,
		quotas:    b.quotas,
		hook:      b.hook,
		bounds:    b.bounds,
		publishes: map[string]*openPublish{},
		retained:  map[string]*persistence.Record{},
	}
}

// open opens the file and puts what it has into the broker, before anybody can connect.
func (k *keeping) open() error {
	if k == nil {
		return nil
	}
	keeper, stored, err := persistence.Open(k.dir, k.log)
	if err != nil {
		return fmt.Errorf("open what the MQTT broker keeps: %w", err)
	}
	k.keeper = keeper
	k.restore(stored)
	return nil
}

// close writes what is left. The broker does nothing any more.
func (k *keeping) close() error {
	if k == nil || k.keeper == nil {
		return nil
	}
	if err := k.keeper.Close(); err != nil {
		return fmt.Errorf("close what the MQTT broker keeps: %w", err)
	}
	return nil
}

func (*keeping) ID() string { return "keeping" }

func (*keeping) Provides(callback byte) bool {
	return slices.Contains([]byte{
		mqtt.OnDisconnect, mqtt.OnPacketEncode, mqtt.OnPacketSent, mqtt.OnPacketProcessed,
		mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnPublish, mqtt.OnRetainMessage, mqtt.OnRetainedExpired,
	}, callback)
}

// OnPacketEncode holds the answers that are promises.
func (k *keeping) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	l := k.sessions.link(cl)
	if l == nil || pk.Ignore {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if pk.ReasonCode == packets.CodeSuccess.Code {
			return k.begin(cl, l, pk)
		}
	case packets.Unsuback:
		if l.session.kept.isKept() && k.keeper.Sync() != nil {
			for i := range pk.ReasonCodes {
				pk.ReasonCodes[i] = packets.ErrImplementationSpecificError.Code
			}
		}
	case packets.Pubrel:
		if granted(pk.ReasonCode) && l.session.outbox.released(pk.PacketID) {
			return k.afterCommit(cl, pk)
		}
	case packets.Pubcomp:
		if l.session.kept.complete(pk.PacketID) {
			return k.afterCommit(cl, pk)
		}
	}
	return pk
}

// begin keeps a session that outlives its connection, and refuses it where it is new and can't be kept.
func (k *keeping) begin(cl *mqtt.Client, l *link, pk packets.Packet) packets.Packet {
	s := l.session
	ended := !pk.SessionPresent && s.kept.end()
	if !outlives(cl) {
		s.outbox.keepNone()
		ended = s.kept.end() || ended
		if ended {
			_ = k.keeper.Sync() // where it fails, nothing was promised of the session that begins
		}
		return pk
	}
	anew := s.kept.begin(sessionRecord{
		clientID: cl.ID,
		username: string(cl.Properties.Username),
		version:  cl.Properties.ProtocolVersion,
		clean:    cl.Properties.Clean,
		expires:  cl.Properties.Props.SessionExpiryIntervalFlag,
		expiry:   cl.Properties.Props.SessionExpiryInterval,
		room:     k.quotas.holdings.roomOf(cl.ID),
	})
	if !anew {
		// The file must know that it has a connection before anything is sent there, to mark it as repeated after a crash, and
		// how far its messages of QoS 2 have come. Where it can't be written, the session goes on all the same.
		_ = k.keeper.Sync()
		return pk
	}
	for _, subscription := range cl.State.Subscriptions.GetAll() {
		s.kept.subscribed(subscription)
	}
	s.packetIDs.keepAll()
	s.outbox.keepAll(cl)
	if err := k.keeper.Sync(); err != nil {
		return refusedToBegin(cl, pk)
	}
	return pk
}

// refusedToBegin makes the session one that ends with the connection, which OnPacketSent closes.
func refusedToBegin(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	cl.Properties.Clean, cl.Properties.Props.SessionExpiryInterval = true, 0
	pk.SessionPresent = false
	pk.ReasonCode = packets.ErrServerUnavailable.Code
	pk.Properties = packets.Properties{ReasonString: packets.ErrServerUnavailable.Reason}
	if cl.Properties.ProtocolVersion < 5 {
		pk.ReasonCode = packets.Err3ServerUnavailable.Code // MQTT 3.1.1 §3.2.2.3
	}
	return pk
}

// OnPacketSent ends the connection of a client whose session could not begin.
func (k *keeping) OnPacketSent(cl *mqtt.Client, pk packets.Packet, _ []byte) {
	if pk.FixedHeader.Type == packets.Connack && pk.ReasonCode != packets.CodeSuccess.Code && k.sessions.link(cl) != nil {
		cl.Stop(packets.ErrServerUnavailable)
	}
}

// afterCommit sends the answer when everything until now is safe, however long that takes: until then the client goes on
// waiting, and the broker knows of the message.
func (k *keeping) afterCommit(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	pk.Ignore = true // this time nobody holds it
	k.keeper.SyncedAtLast(func() {
		_ = cl.WritePacket(pk) // the client may be gone
	})
	return nothing
}

// OnDisconnect keeps since when the session has no connection. One that ends with it has ended already.
func (k *keeping) OnDisconnect(cl *mqtt.Client, _ error, expire bool) {
	if l := k.sessions.link(cl); l != nil && !expire && !cl.IsTakenOver() {
		l.session.kept.disconnected(cl.StopTime(), cl.Properties.Props.SessionExpiryIntervalFlag, cl.Properties.Props.SessionExpiryInterval)
	}
}

// OnSubscribed waits for the file to have the subscriptions, and takes them back where it can't.
func (k *keeping) OnSubscribed(cl *mqtt.Client, pk packets.Packet, reasonCodes []byte) {
	l := k.sessions.link(cl)
	if l == nil {
		return
	}
	kept := false
	for i, subscription := range pk.Filters {
		if granted(reasonCodes[i]) {
			kept = l.session.kept.subscribed(subscription) || kept
		}
	}
	if !kept || k.keeper.Sync() == nil {
		return
	}
	for i, subscription := range pk.Filters {
		if granted(reasonCodes[i]) {
			k.takeBack(cl, l, subscription.Filter)
			reasonCodes[i] = packets.ErrQuotaExceeded.Code // MQTT 5.0 §3.9.3; in MQTT 3 it becomes 0x80
		}
	}
}

func granted(reasonCode byte) bool { return reasonCode < packets.ErrUnspecifiedError.Code }

func (k *keeping) takeBack(cl *mqtt.Client, l *link, filter string) {
	k.server.Topics.Unsubscribe(filter, cl.ID)
	cl.State.Subscriptions.Delete(filter)
	k.quotas.holdings.unsubscribe(cl.ID, filter)
	l.session.kept.unsubscribed(filter)
}

// OnUnsubscribed drops the subscriptions that are gone. mochi calls it for each UNSUBSCRIBE, whatever came of it.
func (k *keeping) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	s := k.sessions.find(cl.ID)
	if s == nil {
		return
	}
	for _, subscription := range pk.Filters {
		if _, kept := cl.State.Subscriptions.Get(subscription.Filter); !kept {
			s.kept.unsubscribed(subscription.Filter)
		}
	}
}

// OnRetainMessage keeps a retained message, or its end.
func (k *keeping) OnRetainMessage(cl *mqtt.Client, pk packets.Packet, _ int64) {
	k.keepRetained(k.bracketOf(cl.ID), pk.TopicName)
}

// OnRetainedExpired keeps that a retained message is no more.
func (k *keeping) OnRetainedExpired(topic string) { k.keepRetained(nil, topic) }

// keepRetained keeps what mochi has for the topic now: of two publishers at one topic, its hooks need not hear in the order
// in which it kept their messages.
func (k *keeping) keepRetained(of *persistence.Bracket, topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of.Use()
	record := k.retained[topic]
	switch _, is := k.server.Topics.Retained.Get(topic); {
	case !is && record != nil:
		delete(k.retained, topic)
		k.keeper.Drop(record)
	case is && record != nil:
		k.keeper.Replace(record, k.encodeRetained(topic))
	case is:
		k.retained[topic] = k.keeper.Keep(nil, k.encodeRetained(topic))
	}
}

func (k *keeping) encodeRetained(topic string) func() []byte {
	return func() []byte {
		pk, is := k.server.Topics.Retained.Get(topic)
		if !is {
			return nil
		}
		message := newKeptMessage(&pk)
		return message.encodeRetained()
	}
}
