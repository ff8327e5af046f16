package mqttbroker

import (
	"cmp"
	"io"
	"net"
	"reflect"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// restoredSession is a session as the file has it.
type restoredSession struct {
	record        *persistence.Record
	is            sessionRecord
	subscriptions []restored[packets.Subscription]
	queue         []restored[queuedRecord]
	received      []restored[uint16] // packet ids
}

// restored is a record and what it says.
type restored[T any] struct {
	record *persistence.Record
	is     T
}

// queuedRecord is what a session has to send: a message, or a PUBREL.
type queuedRecord struct {
	message  keptMessage // of which the packet id alone is there, where it is released
	released bool
}

// restoration sorts the records of a file. A session's come after its own.
type restoration struct {
	keeper   *persistence.Keeper
	sessions map[uint64]*restoredSession // by record number
	retained []restored[keptMessage]
	useless  int // records that say nothing, or belong to nothing
}

func (k *keeping) restore(stored []persistence.Stored) {
	r := restoration{keeper: k.keeper, sessions: map[uint64]*restoredSession{}}
	for _, s := range stored {
		r.sort(s)
	}
	if r.useless > 0 {
		k.log.Error("records of the MQTT broker's file are of no use, and dropped", "records", r.useless)
	}
	now := time.Now().Unix()
	for _, message := range r.retained {
		k.restoreRetained(message, now)
	}
	for _, s := range r.inOrderOfLeaving() {
		k.restoreSession(s, now)
	}
	k.log.Info("the MQTT broker has what it kept", "sessions", len(r.sessions), "retained", len(r.retained))
}

func (r *restoration) sort(s persistence.Stored) {
	reader := &recordReader{left: s.Value}
	is := kind(reader.byte())
	var add func()
	switch is {
	case kindSession:
		session := &restoredSession{record: s.Record, is: decodeSession(reader)}
		add = func() { r.sessions[s.Record.Number()] = session }
	case kindRetained:
		message := decodeMessage(reader)
		add = func() { r.retained = append(r.retained, restored[keptMessage]{s.Record, message}) }
	default:
		add = r.ofSession(is, s.Record, reader)
	}
	if add == nil || reader.failed {
		r.useless++
		r.keeper.Drop(s.Record)
		return
	}
	add()
}

// ofSession reads what belongs to a session, and says how it is added to that; nil where it is nothing.
func (r *restoration) ofSession(is kind, record *persistence.Record, reader *recordReader) (add func()) {
	session := r.sessions[reader.uvarint()]
	if session == nil {
		return nil
	}
	switch is {
	case kindSubscription:
		subscription := restored[packets.Subscription]{record, decodeSubscription(reader)}
		return func() { session.subscriptions = append(session.subscriptions, subscription) }
	case kindMessage:
		message := restored[queuedRecord]{record, queuedRecord{message: decodeQueued(reader)}}
		return func() { session.queue = append(session.queue, message) }
	case kindReleased:
		id := restored[queuedRecord]{record, queuedRecord{keptMessage{id: reader.packetID()}, true}}
		return func() { session.queue = append(session.queue, id) }
	case kindReceived:
		id := restored[uint16]{record, reader.packetID()}
		return func() { session.received = append(session.received, id) }
	}
	return nil
}

// inOrderOfLeaving sorts the sessions by when they lost their connections; those that had one come last.
func (r *restoration) inOrderOfLeaving() []*restoredSession {
	sessions := make([]*restoredSession, 0, len(r.sessions))
	for _, s := range r.sessions {
		sessions = append(sessions, s)
	}
	slices.SortFunc(sessions, func(a, b *restoredSession) int {
		// As unsigned numbers, so that none, less one, is the last time of all.
		return cmp.Or(cmp.Compare(uint64(a.is.disconnected-1), uint64(b.is.disconnected-1)),
			cmp.Compare(a.record.Number(), b.record.Number()))
	})
	return sessions
}

func (k *keeping) restoreRetained(message restored[keptMessage], now int64) {
	pk := message.is.packet()
	switch {
	case pk.ProtocolVersion == 5 && pk.Expiry > 0 && pk.Expiry < now:
		k.keeper.Drop(message.record)
		k.hook.OnRetainedExpired(pk.TopicName)
	case !k.quotas.hasRetainedRoom(&pk):
		k.keeper.Drop(message.record)
		k.bounds.refused(reasonRetained)
	default:
		k.server.Topics.RetainMessage(pk)
		k.quotas.OnRetainMessage(nil, pk, 1)
		k.retained[pk.TopicName] = message.record
		atomic.StoreInt64(&k.server.Info.Retained, int64(k.server.Topics.Retained.Len()))
	}
}

// restoreSession makes a session what it would be had its client just gone, with the time at which it went. Where it had a
// connection when the process ended, that is now.
func (k *keeping) restoreSession(s *restoredSession, now int64) {
	conn := newClientConn(noConn{}, k.bounds, nil)
	if !k.quotas.holdings.begin(s.is.clientID, conn, s.is.room, false) {
		k.bounds.refused(reasonSession)
		k.discard(s)
		return
	}
	wasConnected := s.is.disconnected == 0
	if wasConnected {
		s.is.disconnected = now
		k.keeper.Replace(s.record, s.is.encode)
	}
	cl := k.restoreClient(s, conn)
	k.quotas.holdings.disconnected(cl.ID, conn, true)
	session := k.sessions.begin(cl.ID)
	session.outbox.client = cl
	session.kept.record, session.kept.is = s.record, s.is
	session.kept.filters, session.kept.received = map[string]*persistence.Record{}, map[uint16]*persistence.Record{}
	for _, subscription := range s.subscriptions {
		k.restoreSubscription(cl, session, subscription)
	}
	for _, entry := range s.queue {
		k.restoreQueued(cl, session, entry, wasConnected)
	}
	for _, id := range s.received {
		k.restoreReceived(cl, session, id)
	}
	if s.is.endsAt() < now {
		k.quotas.end(cl.ID)
		k.quotas.holdings.forget(cl.ID)
	}
}

func (k *keeping) restoreClient(s *restoredSession, conn net.Conn) *mqtt.Client {
	cl := k.server.NewClient(conn, "", s.is.clientID, false)
	cl.Properties.Username = []byte(s.is.username)
	cl.Properties.ProtocolVersion = s.is.version
	cl.Properties.Clean = s.is.clean
	cl.Properties.Props.SessionExpiryIntervalFlag = s.is.expires
	cl.Properties.Props.SessionExpiryInterval = s.is.expiry
	cl.Stop(packets.ErrServerShuttingDown)
	setStopTime(cl, s.is.disconnected)
	k.server.Clients.Add(cl)
	return cl
}

// endsAt is when mochi ends the session, in Unix time.
func (s *sessionRecord) endsAt() int64 {
	if s.version == 5 && s.expires {
		return s.disconnected + int64(s.expiry)
	}
	return s.disconnected + int64(maxSessionExpiry/time.Second)
}

func (k *keeping) restoreSubscription(cl *mqtt.Client, session *session, s restored[packets.Subscription]) {
	if !k.quotas.holdings.subscribe(cl.ID, s.is.Filter, s.is.Qos) {
		k.bounds.refused(reasonSubscription)
		k.keeper.Drop(s.record)
		return
	}
	if k.server.Topics.Subscribe(cl.ID, s.is) {
		atomic.AddInt64(&k.server.Info.Subscriptions, 1)
	}
	cl.State.Subscriptions.Add(s.is.Filter, s.is)
	session.kept.filters[s.is.Filter] = s.record
}

// restoreQueued puts a message at the end of the queue. What a client with a connection had not acknowledged may have been
// sent to it a moment before the end, unknown to the file: so it is marked as sent again (MQTT 5.0 §3.3.1.1).
func (k *keeping) restoreQueued(cl *mqtt.Client, session *session, entry restored[queuedRecord], wasConnected bool) {
	message := &entry.is.message
	pk, size := message.packet(), int64(messageBytes)
	if entry.is.released {
		pk = packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1},
			PacketID:    message.id,
			Created:     time.Now().Unix(),
		}
	} else {
		size = messageSize(&pk)
	}
	switch {
	case message.id == 0, inFlight(cl, message.id), !entry.is.released && expired(&pk):
		k.keeper.Drop(entry.record)
		return
	case !k.quotas.holdings.hasQueueRoom(cl, size):
		k.bounds.refused(reasonQueue)
		k.keeper.Drop(entry.record)
		return
	}
	cl.State.Inflight.Set(pk)
	atomic.AddInt64(&k.server.Info.Inflight, 1)
	k.quotas.holdings.queued(cl.ID, queued{packetID: message.id}, size)
	session.outbox.waiting = append(session.outbox.waiting, outboxEntry{
		id:      message.id,
		written: message.sent || wasConnected || entry.is.released,
		record:  entry.record,
	})
	if !message.sent && !entry.is.released {
		k.hook.deliveries.queued(cl.ID, message.id)
	}
}

func (k *keeping) restoreReceived(cl *mqtt.Client, session *session, id restored[uint16]) {
	inner := unused(cl, session.outbox.newest)
	cl.State.Inflight.Set(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Pubrec},
		PacketID:    inner,
		Created:     time.Now().Unix(),
	})
	atomic.AddInt64(&k.server.Info.Inflight, 1)
	k.quotas.holdings.queued(cl.ID, queued{inner, true}, messageBytes)
	session.packetIDs.restore(id.is, inner)
	session.kept.received[id.is] = id.record
}

// discard drops a session for which there is no room.
func (k *keeping) discard(s *restoredSession) {
	for _, subscription := range s.subscriptions {
		k.keeper.Drop(subscription.record)
	}
	for _, entry := range s.queue {
		k.keeper.Drop(entry.record)
	}
	for _, id := range s.received {
		k.keeper.Drop(id.record)
	}
	k.keeper.Drop(s.record)
}

// setStopTime says when the client lost its connection. mochi has no way to say it.
func setStopTime(cl *mqtt.Client, at int64) {
	atomic.StoreInt64((*int64)(unsafe.Add(unsafe.Pointer(&cl.State), stopTimeField.Offset)), at)
}

var stopTimeField = func() reflect.StructField {
	field, found := reflect.TypeFor[mqtt.ClientState]().FieldByName("disconnected")
	if !found || field.Type.Kind() != reflect.Int64 {
		panic("mochi's ClientState has no disconnected")
	}
	return field
}()

// noConn is the connection of a client that has none any more.
type noConn struct{}

func (noConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (noConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (noConn) Close() error                     { return nil }
func (noConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (noConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (noConn) SetDeadline(time.Time) error      { return nil }
func (noConn) SetReadDeadline(time.Time) error  { return nil }
func (noConn) SetWriteDeadline(time.Time) error { return nil }
