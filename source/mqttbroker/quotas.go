package mqttbroker

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxTopicLevels = 128
	unknownBytes   = 64 << 10 // of a message of which nothing is known: a will's payload at most
	// replayTimeout is how long a SUBSCRIBE may take to bring a slow reader the retained messages, and to wait for others'.
	replayTimeout = 5 * time.Second
)

// quotas is the hook that refuses what there is no room for: with 0x97 where MQTT 5.0 has a place for it. In MQTT 3 a
// message without QoS is dropped, and who waits for an answer is disconnected.
type quotas struct {
	mqtt.HookBase

	*bounds
	server     *mqtt.Server
	sessions   *sessions
	hook       *Hook
	holdings   holdings
	publishing publishing
	pace       pace // of messages that are not in publishing: wills

	mu             sync.Mutex
	retainedTopics map[string]int64 // the bytes of each retained message
}

// subscribing is the SUBSCRIBE that a client waits for.
type subscribing struct {
	granting bool                // whether mochi still asks for its filters
	refused  map[string]struct{} // filters for which there is no room
	replay   int64               // room that its retained messages take
	until    time.Time           // when they wait for a slow reader no more
}

func newQuotas(b *bounds, server *mqtt.Server, sessions *sessions, hook *Hook) *quotas {
	q := &quotas{
		bounds:         b,
		server:         server,
		sessions:       sessions,
		hook:           hook,
		publishing:     publishing{topics: map[string]*publish{}},
		retainedTopics: map[string]int64{},
	}
	q.holdings = holdings{bounds: b, end: q.end, sessions: map[string]*holding{}}
	return q
}

func (*quotas) ID() string { return "quotas" }

func (*quotas) Provides(callback byte) bool {
	return slices.Contains([]byte{
		mqtt.OnSessionEstablish, mqtt.OnClientExpired,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnPacketEncode, mqtt.OnPacketProcessed,
		mqtt.OnPublish, mqtt.OnWill, mqtt.OnRetainMessage, mqtt.OnRetainedExpired,
		mqtt.OnQosPublish, mqtt.OnQosComplete, mqtt.OnQosDropped,
	}, callback)
}

// admitSession takes room for the session of a client whose login is right. Where there is none it refuses the login.
func (q *quotas) admitSession(cl *mqtt.Client, pk *packets.Packet) bool {
	conn := connOf(cl)
	if conn == nil {
		return true
	}
	cl.Properties.Props.User = nil // which nobody asks for
	if q.holdings.begin(cl.ID, conn, sessionBytes+2*int64(pk.FixedHeader.Remaining), cl.Properties.Clean) {
		conn.clientID = cl.ID
		return true
	}
	q.refused(reasonSession)
	reason := packets.ErrServerUnavailable // MQTT 3.1.1 §3.2.2.3
	if cl.Properties.ProtocolVersion == 5 {
		reason = packets.ErrQuotaExceeded
	}
	_ = q.server.SendConnack(cl, reason, false, nil) // the client may be gone
	cl.Stop(packets.ErrQuotaExceeded)
	return false
}

// end ends a session that has no connection, as its expiry would.
func (q *quotas) end(id string) {
	client, ok := q.server.Clients.Get(id)
	if !ok {
		return
	}
	q.server.UnsubscribeClient(client)
	client.ClearInflights()
	q.sessions.OnClientExpired(client)
	q.hook.OnClientExpired(client)
	q.server.Clients.Delete(id)
}

// disconnected is told when mochi has done with a connection.
func (q *quotas) disconnected(conn *clientConn) {
	q.endReplay(conn)
	q.endPublish(conn)
	if conn.clientID == "" {
		return
	}
	client, known := q.server.Clients.Get(conn.clientID)
	q.holdings.disconnected(conn.clientID, conn, known && connOf(client) == conn)
}

func (q *quotas) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if conn := connOf(cl); conn != nil {
		conn.loggedIn()
	}
}

func (q *quotas) OnClientExpired(cl *mqtt.Client) {
	if conn := connOf(cl); conn != nil {
		q.holdings.disconnected(cl.ID, conn, false)
	}
}

// OnSubscribe takes room for each filter, and for the retained messages that mochi will look up.
func (q *quotas) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	conn := connOf(cl)
	if conn == nil {
		return pk
	}
	s := &subscribing{granting: true, refused: map[string]struct{}{}, until: time.Now().Add(replayTimeout)}
	replayed := q.awaitReplay(s, pk.Filters)
	if !q.sessions.holdSession(cl) {
		pk.Filters = nil // which would be its successor's
	}
	for i := range pk.Filters {
		filter := strings.Clone(pk.Filters[i].Filter) // which mochi keeps, and with it else the whole packet
		pk.Filters[i].Filter = filter
		if !validSubscription(filter) {
			continue // it is refused as what it is, and takes nothing
		}
		if !replayed || levels(filter) > maxTopicLevels || !q.holdings.subscribe(cl.ID, filter, pk.Filters[i].Qos) {
			s.refused[filter] = struct{}{}
			q.refused(reasonSubscription)
		}
	}
	conn.subscribing.Store(s)
	return pk
}

// awaitReplay waits for room for what mochi looks up of the retained messages: all, where a filter has wildcards.
func (q *quotas) awaitReplay(s *subscribing, filters packets.Subscriptions) bool {
	if !slices.ContainsFunc(filters, func(f packets.Subscription) bool { return strings.ContainsAny(f.Filter, "+#") }) {
		return true
	}
	ctx, cancel := context.WithDeadline(context.Background(), s.until)
	defer cancel()
	room := min(packetBytes*int64(q.server.Topics.Retained.Len()), q.replayBytes)
	if q.replaying.Acquire(ctx, room) != nil {
		return false
	}
	s.replay = room
	return true
}

func (q *quotas) endReplay(conn *clientConn) {
	if s := conn.subscribing.Swap(nil); s != nil && s.replay > 0 {
		q.replaying.Release(s.replay)
	}
}

// OnSubscribed says of the filters for which there was no room why they are refused, and gives back what the others that
// are not granted took.
func (q *quotas) OnSubscribed(cl *mqtt.Client, pk packets.Packet, reasonCodes []byte) {
	conn := connOf(cl)
	if conn == nil {
		return
	}
	s := conn.subscribing.Load()
	for i, subscription := range pk.Filters {
		if _, refused := s.refused[subscription.Filter]; refused {
			reasonCodes[i] = packets.ErrQuotaExceeded.Code
		} else if _, kept := cl.State.Subscriptions.Get(subscription.Filter); !kept {
			q.holdings.unsubscribe(cl.ID, subscription.Filter)
		}
	}
	conn.subscribing.Store(&subscribing{replay: s.replay, until: s.until})
}

func (q *quotas) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	for _, subscription := range pk.Filters {
		if _, kept := cl.State.Subscriptions.Get(subscription.Filter); !kept {
			q.holdings.unsubscribe(cl.ID, subscription.Filter)
		}
	}
}

// OnPacketEncode writes what a SUBACK of MQTT 3.1.1 can say (§3.9.3).
func (q *quotas) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Suback && cl.Properties.ProtocolVersion < 5 {
		for i, code := range pk.ReasonCodes {
			if code > 2 {
				pk.ReasonCodes[i] = packets.ErrUnspecifiedError.Code
			}
		}
	}
	return pk
}

// OnPublish refuses what has no room to be kept.
func (q *quotas) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	conn := connOf(cl)
	if conn == nil {
		return pk, nil
	}
	pk = detached(pk)
	if levels(pk.TopicName) > maxTopicLevels {
		q.refused(reasonRetained)
		return pk, q.refusePublish(cl, &pk, packets.ErrTopicNameInvalid)
	}
	if pk.FixedHeader.Retain && !q.hasRetainedRoom(&pk) {
		q.refused(reasonRetained)
		if pk.FixedHeader.Qos > 0 {
			return pk, q.refusePublish(cl, &pk, packets.ErrQuotaExceeded)
		}
		pk.FixedHeader.Retain = false // it is published, and not kept
	}
	if pk.FixedHeader.Qos == 2 && !q.holdings.hasQueueRoom(cl, messageBytes) {
		q.refused(reasonQueue)
		return pk, q.refusePublish(cl, &pk, packets.ErrQuotaExceeded)
	}
	conn.publishes = pk.TopicName
	q.publishing.begin(pk.TopicName, messageSize(&pk), pk.FixedHeader.Qos)
	return pk, nil
}

// refusePublish answers in mochi's place, which has no PUBREC for it and logs whole packets.
func (q *quotas) refusePublish(cl *mqtt.Client, pk *packets.Packet, reason packets.Code) error {
	q.hook.publishDenied(cl, pk.TopicName, reason.Reason)
	switch {
	case pk.FixedHeader.Qos == 0:
	case cl.Properties.ProtocolVersion < 5:
		cl.Stop(reason) // MQTT 3.1.1 §3.3.5: there is no answer that refuses
	default:
		ack := packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Puback},
			PacketID:    pk.PacketID,
			ReasonCode:  reason.Code,
		}
		if pk.FixedHeader.Qos == 2 {
			ack.FixedHeader.Type = packets.Pubrec
		}
		_ = cl.WritePacket(ack) // the client may be gone
	}
	return packets.ErrRejectPacket
}

func (q *quotas) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if conn := connOf(cl); conn != nil && !pk.Ignore { // Ignore: no packet of the client, and not in the goroutine that reads
		q.endPublish(conn)
		q.endReplay(conn)
	}
}

func (q *quotas) endPublish(conn *clientConn) {
	if conn.publishes != "" {
		q.publishing.end(conn.publishes)
		conn.publishes = ""
	}
}

// admits tells whether the client may have a subscription to the filter, or the message with the topic, of which mochi
// asks both alike.
func (q *quotas) admits(cl *mqtt.Client, topic string) bool {
	conn := connOf(cl)
	if conn == nil {
		return true
	}
	s := conn.subscribing.Load()
	if s != nil && s.granting {
		_, refused := s.refused[topic]
		return !refused
	}
	at, size, qos := q.publishing.on(topic)
	pace := &q.pace
	switch retained, isRetained := q.retainedBytes(topic); {
	case at != nil:
		pace = &at.pace
	case ofBroker(topic):
		return true
	case isRetained:
		size, qos = retained, 2
	default:
		size, qos = unknownBytes, 2
	}
	if !q.holdings.acknowledges(cl.ID) {
		qos = 0
	}
	if qos > 0 && !q.holdings.hasQueueRoom(cl, size) {
		q.refused(reasonQueue)
		return false
	}
	if cl.Closed() {
		return true
	}
	if at == nil && s != nil {
		conn.outgoing.awaitRoomUntil(size, s.until)
	}
	if !conn.outgoing.has(size, qos) {
		q.refused(reasonOutgoing)
		return false
	}
	if queuedPackets(cl) >= maxWritesPending/2 {
		awaitTaken(cl) // of what others publish
	}
	pace.keep(cl, size)
	return true
}

// OnWill drops the retain flag of a will for which there is no room.
func (q *quotas) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	pk := detached(packets.Packet{TopicName: will.TopicName, Payload: will.Payload, Properties: packets.Properties{User: will.User}})
	will.TopicName, will.User = pk.TopicName, pk.Properties.User
	if will.Retain && (levels(will.TopicName) > maxTopicLevels || !q.hasRetainedRoom(&pk)) {
		q.refused(reasonRetained)
		will.Retain = false
	}
	return will, nil
}

func (q *quotas) hasRetainedRoom(pk *packets.Packet) bool {
	before, _ := q.retainedBytes(pk.TopicName)
	return len(pk.Payload) == 0 || q.retained.has(retainedSize(pk)-before)
}

func (q *quotas) retainedBytes(topic string) (bytes int64, isRetained bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, isRetained = q.retainedTopics[topic]
	return bytes, isRetained
}

func retainedSize(pk *packets.Packet) int64 {
	return messageSize(pk) + int64(levelBytes*levels(pk.TopicName))
}

// OnRetainMessage takes note of what mochi keeps.
func (q *quotas) OnRetainMessage(_ *mqtt.Client, pk packets.Packet, change int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retained.giveBack(q.retainedTopics[pk.TopicName])
	delete(q.retainedTopics, pk.TopicName)
	if change == 1 {
		size := retainedSize(&pk)
		q.retained.spend(size)
		q.retainedTopics[pk.TopicName] = size
	}
}

// OnRetainedExpired takes the topic out of mochi's tree, where it would stay.
func (q *quotas) OnRetainedExpired(topic string) {
	if _, anew := q.server.Topics.Retained.Get(topic); anew {
		return
	}
	q.server.Topics.RetainMessage(packets.Packet{TopicName: topic})
	q.OnRetainMessage(nil, packets.Packet{TopicName: topic}, -1)
}

func (q *quotas) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		q.holdings.queued(cl.ID, queued{packetID: pk.PacketID}, messageSize(&pk))
	case packets.Pubrec:
		q.holdings.queued(cl.ID, queued{pk.PacketID, true}, messageBytes)
	}
}

func (q *quotas) OnQosComplete(cl *mqtt.Client, pk packets.Packet) { q.unqueued(cl, &pk) }

// OnQosDropped is also called for what a session leaves behind that goes on with another connection.
func (q *quotas) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	if !cl.IsTakenOver() {
		q.unqueued(cl, &pk)
	}
}

// unqueued tells the broker's own packets from the client's by their time, which only the former have.
func (q *quotas) unqueued(cl *mqtt.Client, pk *packets.Packet) {
	own := pk.Created != 0
	switch pk.FixedHeader.Type {
	case packets.Puback:
		if own {
			return // of a message from the client, which takes no room
		}
	case packets.Pubrec:
		q.holdings.unqueued(cl.ID, queued{pk.PacketID, own})
		return
	case packets.Pubrel:
		q.holdings.unqueued(cl.ID, queued{pk.PacketID, !own})
		return
	}
	q.holdings.unqueued(cl.ID, queued{packetID: pk.PacketID})
}

// detached copies the packet's texts, which point into its bytes: whoever kept one would keep them all.
func detached(pk packets.Packet) packets.Packet {
	pk.TopicName = strings.Clone(pk.TopicName)
	pk.Properties.ContentType = strings.Clone(pk.Properties.ContentType)
	pk.Properties.ResponseTopic = strings.Clone(pk.Properties.ResponseTopic)
	pk.Properties.CorrelationData = bytes.Clone(pk.Properties.CorrelationData)
	pk.Properties.User = slices.Clone(pk.Properties.User)
	for i, property := range pk.Properties.User {
		pk.Properties.User[i] = packets.UserProperty{Key: strings.Clone(property.Key), Val: strings.Clone(property.Val)}
	}
	return pk
}
