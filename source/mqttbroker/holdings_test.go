package mqttbroker

import (
	"io"
	"net"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestQueueOutlivesATakeoverAndEndsWithItsSession(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	old := newRawClient(t, broker, "c", 4, resuming)
	old.send(subscribePacket("t", 1))
	old.receive()
	publisher := newRawClient(t, broker, "publisher", 4)
	publisher.send(publishPacket(0x32, "t", 1_000))
	publisher.receive()
	old.receive() // and acknowledges nothing
	queued := broker.Used()["queues"]
	require.Greater(t, queued, int64(1_000))
	resumed := newRawClient(t, broker, "c", 4, resuming)
	resumed.receive()
	require.Equal(t, queued, broker.Used()["queues"])
	newRawClient(t, broker, "c", 4, fresh)
	require.Zero(t, broker.Used()["queues"])
	require.Zero(t, broker.Used()["subscriptions"])
}

func TestLoginThatIsRefusedLeavesTheSessionWhatItHolds(t *testing.T) {
	b := newBounds(config.MQTTBroker{}.Complete())
	h := &newQuotas(b, nil, nil, nil).holdings
	conn := new(clientConn)
	require.True(t, h.begin("c", conn, sessionBytes, false))
	require.True(t, h.subscribe("c", "t", 1))
	subscribed := b.subscriptions.used.Load()

	for _, clean := range []bool{false, true} {
		require.False(t, h.begin("c", new(clientConn), b.sessions.limit+1, clean))
		require.EqualValues(t, sessionBytes, b.sessions.used.Load())
		require.Equal(t, subscribed, b.subscriptions.used.Load())
		require.True(t, h.acknowledges("c"))
	}
	h.disconnected("c", conn, true)
	require.True(t, h.begin("c", conn, 2*sessionBytes, true))
	require.EqualValues(t, 2*sessionBytes, b.sessions.used.Load())
	require.Zero(t, b.subscriptions.used.Load())
	require.Zero(t, h.offline.Len())
}

func TestSubscriptionThatIsReplacedOrGoneAcknowledgesNothing(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 4)
	for _, packet := range [][]byte{subscribePacket("t", 1), subscribePacket("t", 2)} {
		c.send(packet)
		c.receive()
	}
	require.True(t, broker.quotas.holdings.acknowledges("c"))
	c.send(subscribePacket("t", 0))
	c.receive()
	require.False(t, broker.quotas.holdings.acknowledges("c"))
}

func TestRoomForRetainedMessagesIsGivenBackAfterEachSubscribe(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 4)
	c.send(subscribePacket("#", 0))
	c.receive()
	c.ping()
	require.True(t, broker.bounds.replaying.TryAcquire(broker.bounds.replayBytes))
}

func TestClientThatReadsNoAnswersIsAskedForNoMore(t *testing.T) {
	b := newBounds(config.MQTTBroker{}.Complete())
	client, server := net.Pipe() // in which a write waits for its reader
	t.Cleanup(func() { _ = client.Close() })
	conn := newClientConn(server, b, func(flush func()) { go flush() })
	_, err := conn.Write(make([]byte, b.clientBytes))
	require.NoError(t, err)
	asked := make(chan error, 1)
	go func() { _, err := conn.Read(make([]byte, 1)); asked <- err }()
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = client.Write([]byte{0xC0, 0})
	require.Error(t, err, "nobody reads")
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-asked, net.ErrClosed)
	conn.outgoing.await()
	require.Zero(t, b.outgoing.used.Load())
}

// overPipe is a client's connection, in which a write waits for its reader, and the client's side of it.
func overPipe(t *testing.T) (*clientConn, net.Conn) {
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.SetDeadline(time.Now().Add(5*time.Second)))
	return newClientConn(server, newBounds(config.MQTTBroker{}.Complete()), func(flush func()) { go flush() }), client
}

func TestConnectionThatBrokeTakesNothingMore(t *testing.T) {
	conn, client := overPipe(t)
	require.NoError(t, client.Close())
	_, err := conn.outgoing.write([]byte("lost"))
	require.NoError(t, err)
	conn.outgoing.await()
	_, err = conn.outgoing.write([]byte("refused"))
	require.ErrorContains(t, err, "write to the client")
}

func TestConnectionEndsWhenAllIsWritten(t *testing.T) {
	conn, client := overPipe(t)
	_, err := conn.outgoing.write([]byte("the last packet"))
	require.NoError(t, err)
	require.NoError(t, conn.outgoing.close())
	read, err := io.ReadAll(client)
	require.NoError(t, err, "it ends")
	require.Equal(t, "the last packet", string(read))
}

func TestSubscriptionsMayTakeJustWhatAClientMay(t *testing.T) {
	b := newBounds(config.MQTTBroker{}.Complete())
	h := &newQuotas(b, nil, nil, nil).holdings
	require.True(t, h.begin("c", nil, sessionBytes, true))
	b.clientBytes = int64(subscriptionBytes + 3*len("t") + levelBytes)
	require.True(t, h.subscribe("c", "t", 0))
	require.True(t, h.subscribe("c", "t", 1), "once more")
	require.False(t, h.subscribe("c", "u", 0))
}

func TestAcknowledgedPublishLeavesTheSessionsOwnQueueAlone(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	sleeper := newRawClient(t, broker, "c", 4, resuming)
	sleeper.send(subscribePacket("t", 1))
	sleeper.receive()
	publisher := newRawClient(t, broker, "publisher", 4)
	for i := range 3 {
		publisher.send(publishPacket(0x32, "t", 100*i))
		publisher.receive()
		sleeper.receive()
	}
	before := broker.Used()["queues"]
	client, known := broker.server.Clients.Get("c")
	require.True(t, known)
	own := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: 1, Created: 1}
	broker.quotas.OnQosComplete(client, own)
	require.Equal(t, before, broker.Used()["queues"])
	own.Created = 0
	broker.quotas.OnQosComplete(client, own)
	require.Less(t, broker.Used()["queues"], before)
}

// A client and the broker number their messages independently: each packet ends the message of one of them.
func TestEachPacketEndsTheMessageThatItIsAbout(t *testing.T) {
	const fromBroker, fromClient = 1, 2
	for name, test := range map[string]struct {
		packet  byte
		created int64 // which only the broker's own packets have
		ends    int64
	}{
		"expired PUBLISH": {packets.Publish, 1, fromBroker},
		"PUBACK":          {packets.Puback, 0, fromBroker},
		"own PUBACK":      {packets.Puback, 1, 0},
		"PUBREC":          {packets.Pubrec, 0, fromBroker},
		"own PUBREC":      {packets.Pubrec, 1, fromClient},
		"PUBREL":          {packets.Pubrel, 0, fromClient},
		"own PUBREL":      {packets.Pubrel, 1, fromBroker},
		"PUBCOMP":         {packets.Pubcomp, 0, fromBroker},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBounds(config.MQTTBroker{}.Complete())
			q := newQuotas(b, nil, nil, nil)
			cl := &mqtt.Client{ID: "c"}
			require.True(t, q.holdings.begin("c", nil, sessionBytes, true))
			q.holdings.queued("c", queued{packetID: 7}, fromBroker)
			q.holdings.queued("c", queued{7, true}, fromClient)
			pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: test.packet}, PacketID: 7, Created: test.created}
			q.OnQosComplete(cl, pk)
			require.Equal(t, fromBroker+fromClient-test.ends, b.queues.used.Load())
		})
	}
}
