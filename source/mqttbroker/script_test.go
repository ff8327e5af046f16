package mqttbroker

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

const (
	version3 = 4 // MQTT 3.1.1
	version5 = 5
)

// script is a client that sends and receives packets as a test says, and nothing by itself.
type script struct {
	t       *testing.T
	version byte
	conn    net.Conn
	in      *bufio.Reader
	connack packets.Packet
}

// with changes the CONNECT of a script.
type with func(*packets.Packet)

func clean(connect *packets.Packet) { connect.Connect.Clean = true }

func receiveMaximum(n uint16) with {
	return func(connect *packets.Packet) { connect.Properties.ReceiveMaximum = n }
}

func aliasMaximum(n uint16) with {
	return func(connect *packets.Packet) { connect.Properties.TopicAliasMaximum = n }
}

func packetMaximum(n uint32) with {
	return func(connect *packets.Packet) { connect.Properties.MaximumPacketSize = n }
}

func willTo(topic string) with {
	return func(connect *packets.Packet) {
		connect.Connect.WillFlag, connect.Connect.WillTopic, connect.Connect.WillPayload = true, topic, []byte("gone")
	}
}

// dialScript connects with a session that outlives the connection, unless the options say otherwise.
func dialScript(t *testing.T, address net.Addr, version byte, id string, options ...with) *script {
	s := &script{t: t, version: version, conn: dialTCP(t, address)}
	s.in = bufio.NewReader(s.conn)
	connect := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect:     packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: id, Keepalive: 60},
		Properties:  packets.Properties{SessionExpiryInterval: 3600, SessionExpiryIntervalFlag: version == version5},
	}
	for _, option := range options {
		option(&connect)
	}
	s.send(connect)
	s.connack = s.receive(packets.Connack)
	return s
}

func (s *script) send(pk packets.Packet) {
	s.t.Helper()
	pk.ProtocolVersion = s.version
	encode := map[byte]func(*packets.Packet, *bytes.Buffer) error{
		packets.Connect:     (*packets.Packet).ConnectEncode,
		packets.Publish:     (*packets.Packet).PublishEncode,
		packets.Puback:      (*packets.Packet).PubackEncode,
		packets.Pubrec:      (*packets.Packet).PubrecEncode,
		packets.Pubrel:      (*packets.Packet).PubrelEncode,
		packets.Pubcomp:     (*packets.Packet).PubcompEncode,
		packets.Subscribe:   (*packets.Packet).SubscribeEncode,
		packets.Unsubscribe: (*packets.Packet).UnsubscribeEncode,
		packets.Pingreq:     (*packets.Packet).PingreqEncode,
		packets.Disconnect:  (*packets.Packet).DisconnectEncode,
	}[pk.FixedHeader.Type]
	if pk.FixedHeader.Type == packets.Pubrel || pk.FixedHeader.Type == packets.Subscribe || pk.FixedHeader.Type == packets.Unsubscribe {
		pk.FixedHeader.Qos = 1 // MQTT 5.0 §2.1.3
	}
	var buffer bytes.Buffer
	require.NoError(s.t, encode(&pk, &buffer))
	_, err := s.conn.Write(buffer.Bytes())
	require.NoError(s.t, err)
}

// next reads the next packet; io.EOF where the broker closed the connection.
func (s *script) next(patience time.Duration) (packets.Packet, error) {
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	pk := packets.Packet{ProtocolVersion: s.version}
	first, err := s.in.ReadByte()
	if err != nil {
		return pk, err
	}
	require.NoError(s.t, pk.FixedHeader.Decode(first))
	length, _, err := packets.DecodeLength(s.in)
	require.NoError(s.t, err)
	pk.FixedHeader.Remaining = length
	body := make([]byte, length)
	if _, err = io.ReadFull(s.in, body); err != nil {
		return pk, err
	}
	decode := map[byte]func(*packets.Packet, []byte) error{
		packets.Connack:    (*packets.Packet).ConnackDecode,
		packets.Publish:    (*packets.Packet).PublishDecode,
		packets.Puback:     (*packets.Packet).PubackDecode,
		packets.Pubrec:     (*packets.Packet).PubrecDecode,
		packets.Pubrel:     (*packets.Packet).PubrelDecode,
		packets.Pubcomp:    (*packets.Packet).PubcompDecode,
		packets.Suback:     (*packets.Packet).SubackDecode,
		packets.Unsuback:   (*packets.Packet).UnsubackDecode,
		packets.Pingresp:   (*packets.Packet).PingrespDecode,
		packets.Disconnect: (*packets.Packet).DisconnectDecode,
	}[pk.FixedHeader.Type]
	require.NotNil(s.t, decode, "a packet of type %d came", pk.FixedHeader.Type)
	require.NoError(s.t, decode(&pk, body))
	return pk, nil
}

// receive waits for the next packet, which must be of the type.
func (s *script) receive(kind byte) packets.Packet {
	s.t.Helper()
	pk, err := s.next(patience)
	require.NoError(s.t, err, "waiting for a %s", packets.PacketNames[kind])
	require.Equal(s.t, packets.PacketNames[kind], packets.PacketNames[pk.FixedHeader.Type])
	return pk
}

// receiveMessage waits for the next packet, which must be a PUBLISH with the payload.
func (s *script) receiveMessage(payload string) packets.Packet {
	s.t.Helper()
	pk := s.receive(packets.Publish)
	require.Equal(s.t, payload, string(pk.Payload))
	return pk
}

// receivesNothingMore asks for an answer, and checks that nothing comes before it.
func (s *script) receivesNothingMore() {
	s.t.Helper()
	s.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	s.receive(packets.Pingresp)
}

// isClosed waits until the broker has closed the connection without a further packet.
func (s *script) isClosed() {
	s.t.Helper()
	_, err := s.next(patience)
	require.ErrorIs(s.t, err, io.EOF)
}

func (s *script) close() { require.NoError(s.t, s.conn.Close()) }

func (s *script) publish(topic, payload string, qos byte, id uint16) {
	s.t.Helper()
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos},
		TopicName:   topic, PacketID: id, Payload: []byte(payload),
	})
}

// acknowledge sends a packet that has nothing but an id.
func (s *script) acknowledge(kind byte, id uint16) {
	s.t.Helper()
	s.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id})
}

// subscribe sends a SUBSCRIBE and returns what the SUBACK says.
func (s *script) subscribe(id uint16, filter string, qos byte) []byte {
	s.t.Helper()
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: id,
		Filters: packets.Subscriptions{{Filter: filter, Qos: qos}},
	})
	suback := s.receive(packets.Suback)
	require.Equal(s.t, id, suback.PacketID)
	return suback.ReasonCodes
}

func (s *script) unsubscribe(id uint16, filters ...string) packets.Packet {
	s.t.Helper()
	unsubscribe := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: id}
	for _, filter := range filters {
		unsubscribe.Filters = append(unsubscribe.Filters, packets.Subscription{Filter: filter})
	}
	s.send(unsubscribe)
	unsuback := s.receive(packets.Unsuback)
	require.Equal(s.t, id, unsuback.PacketID)
	return unsuback
}

func (s *script) disconnect(reason byte) {
	s.t.Helper()
	s.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: reason})
}

// inBothVersions runs a test for MQTT 3.1.1 and 5.0.
func inBothVersions(t *testing.T, test func(t *testing.T, version byte)) {
	t.Run("mqtt3", func(t *testing.T) { test(t, version3) })
	t.Run("mqtt5", func(t *testing.T) { test(t, version5) })
}
