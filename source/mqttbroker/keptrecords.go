package mqttbroker

import (
	"encoding/binary"

	"github.com/mochi-mqtt/server/v2/packets"
)

// kind is the first byte of a record in the broker's file, and says what it is. A record that belongs to a session has the
// number of the session's record next.
type kind byte

const (
	kindSession      kind = 1
	kindSubscription kind = 2
	kindMessage      kind = 3 // queued for a session
	kindReleased     kind = 4 // a message of QoS 2 of which the PUBREC came: its PUBREL takes its place in the queue
	kindReceived     kind = 5 // a packet id of which the session's client has not sent the PUBREL yet
	kindRetained     kind = 6
)

// sessionRecord is a session without what it holds.
type sessionRecord struct {
	clientID     string
	username     string
	version      byte // of MQTT
	clean        bool
	expires      bool   // MQTT 5.0: it says when
	expiry       uint32 // seconds
	disconnected int64  // Unix time; 0: it has a connection
	room         int64  // bytes that it takes
}

func (s *sessionRecord) encode() []byte {
	b := []byte{byte(kindSession), s.version, flags(s.clean, s.expires)}
	b = appendText(b, s.clientID)
	b = appendText(b, s.username)
	b = binary.AppendUvarint(b, uint64(s.expiry))
	b = binary.AppendVarint(b, s.disconnected)
	return binary.AppendVarint(b, s.room)
}

func decodeSession(r *recordReader) (s sessionRecord) {
	s.version = r.byte()
	f := r.byte()
	s.clean, s.expires = f&1 != 0, f&2 != 0
	s.clientID, s.username = r.text(), r.text()
	s.expiry = uint32(r.uvarint())
	s.disconnected, s.room = r.varint(), r.varint()
	return s
}

func encodeSubscription(session uint64, s *packets.Subscription) []byte {
	b := binary.AppendUvarint([]byte{byte(kindSubscription)}, session)
	b = append(b, s.Qos, s.RetainHandling, flags(s.NoLocal, s.RetainAsPublished))
	b = binary.AppendUvarint(b, uint64(s.Identifier))
	return appendText(b, s.Filter)
}

func decodeSubscription(r *recordReader) (s packets.Subscription) {
	s.Qos, s.RetainHandling = r.byte(), r.byte()
	f := r.byte()
	s.NoLocal, s.RetainAsPublished = f&1 != 0, f&2 != 0
	s.Identifier = int(r.uvarint())
	s.Filter = r.text()
	return s
}

// encodePacketID is the record of a packet id alone.
func encodePacketID(k kind, session uint64, id uint16) []byte {
	b := binary.AppendUvarint([]byte{byte(k)}, session)
	return binary.BigEndian.AppendUint16(b, id)
}

// keptMessage is what of a PUBLISH has to be kept, which is much less than mochi's form of one.
type keptMessage struct {
	id            uint16 // packet id; 0: it is retained
	sent          bool   // to its client
	qos           byte
	retain        bool
	version       byte // of MQTT, of the publisher
	format        byte
	hasFormat     bool
	interval      uint32 // until its expiry, seconds, as the publisher said
	created       int64  // Unix time
	expiry        int64  // Unix time; 0: none
	topic         string
	origin        string // client id of the publisher
	contentType   string
	responseTopic string
	correlation   []byte
	subscriptions []int // identifiers
	user          []packets.UserProperty
	payload       []byte
}

func newKeptMessage(pk *packets.Packet) keptMessage {
	m := keptMessage{
		id:            pk.PacketID,
		qos:           pk.FixedHeader.Qos,
		retain:        pk.FixedHeader.Retain,
		version:       pk.ProtocolVersion,
		format:        pk.Properties.PayloadFormat,
		hasFormat:     pk.Properties.PayloadFormatFlag,
		interval:      pk.Properties.MessageExpiryInterval,
		created:       pk.Created,
		expiry:        pk.Expiry,
		topic:         pk.TopicName,
		origin:        pk.Origin,
		contentType:   pk.Properties.ContentType,
		responseTopic: pk.Properties.ResponseTopic,
		correlation:   pk.Properties.CorrelationData,
		subscriptions: pk.Properties.SubscriptionIdentifier,
		user:          pk.Properties.User,
		payload:       pk.Payload,
	}
	if pk.Connect.WillProperties.WillDelayInterval > 0 {
		m.interval, m.expiry = 0, 0 // mochi takes the time at which it sends a will for the will's expiry
	}
	return m
}

// packet is the PUBLISH as mochi has it.
func (m *keptMessage) packet() packets.Packet {
	return packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: m.qos, Retain: m.retain},
		PacketID:        m.id,
		ProtocolVersion: m.version,
		TopicName:       m.topic,
		Payload:         m.payload,
		Origin:          m.origin,
		Created:         m.created,
		Expiry:          m.expiry,
		Properties: packets.Properties{
			PayloadFormat:          m.format,
			PayloadFormatFlag:      m.hasFormat,
			MessageExpiryInterval:  m.interval,
			ContentType:            m.contentType,
			ResponseTopic:          m.responseTopic,
			CorrelationData:        m.correlation,
			SubscriptionIdentifier: m.subscriptions,
			User:                   m.user,
		},
	}
}

func (m *keptMessage) encodeQueued(session uint64) []byte {
	b := make([]byte, 0, 96+len(m.topic)+len(m.payload))
	b = binary.AppendUvarint(append(b, byte(kindMessage)), session)
	b = binary.BigEndian.AppendUint16(b, m.id)
	return m.append(append(b, flags(m.sent)))
}

func (m *keptMessage) encodeRetained() []byte {
	return m.append([]byte{byte(kindRetained)})
}

func (m *keptMessage) append(b []byte) []byte {
	b = append(b, m.version, m.qos, flags(m.retain, m.hasFormat), m.format)
	b = binary.AppendUvarint(b, uint64(m.interval))
	b = binary.AppendVarint(b, m.created)
	b = binary.AppendVarint(b, m.expiry)
	for _, text := range []string{m.topic, m.origin, m.contentType, m.responseTopic, string(m.correlation)} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(m.subscriptions)))
	for _, id := range m.subscriptions {
		b = binary.AppendUvarint(b, uint64(id))
	}
	b = binary.AppendUvarint(b, uint64(len(m.user)))
	for _, property := range m.user {
		b = appendText(appendText(b, property.Key), property.Val)
	}
	return append(b, m.payload...)
}

func decodeQueued(r *recordReader) keptMessage {
	id := r.packetID()
	sent := r.byte()&1 != 0
	m := decodeMessage(r)
	m.id, m.sent = id, sent
	return m
}

func decodeMessage(r *recordReader) (m keptMessage) {
	m.version, m.qos = r.byte(), r.byte()
	f := r.byte()
	m.retain, m.hasFormat = f&1 != 0, f&2 != 0
	m.format = r.byte()
	m.interval = uint32(r.uvarint())
	m.created, m.expiry = r.varint(), r.varint()
	m.topic, m.origin, m.contentType, m.responseTopic = r.text(), r.text(), r.text(), r.text()
	if correlation := r.text(); correlation != "" {
		m.correlation = []byte(correlation)
	}
	for range r.count() {
		m.subscriptions = append(m.subscriptions, int(r.uvarint()))
	}
	for range r.count() {
		m.user = append(m.user, packets.UserProperty{Key: r.text(), Val: r.text()})
	}
	m.payload = r.left
	return m
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// flags has a bit for each.
func flags(set ...bool) (b byte) {
	for i, is := range set {
		if is {
			b |= 1 << i
		}
	}
	return b
}

// recordReader reads a record from its beginning. What is not there reads as zero, and failed tells.
type recordReader struct {
	left   []byte
	failed bool
}

func (r *recordReader) take(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.left, r.failed = nil, true
		return nil
	}
	taken := r.left[:n:n]
	r.left = r.left[n:]
	return taken
}

func (r *recordReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *recordReader) packetID() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.left)
	r.skipNumber(n)
	return v
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.left)
	r.skipNumber(n)
	return v
}

func (r *recordReader) skipNumber(n int) {
	if n <= 0 {
		r.left, r.failed = nil, true
		return
	}
	r.left = r.left[n:]
}

func (r *recordReader) text() string { return string(r.take(r.uvarint())) }

// count is the number of things that follow, each of a byte at least.
func (r *recordReader) count() uint64 {
	n := r.uvarint()
	if n > uint64(len(r.left)) {
		r.left, r.failed = nil, true
		return 0
	}
	return n
}
