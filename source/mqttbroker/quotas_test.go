package mqttbroker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const refusedForRoom = "quota exceeded"

func TestRetainedMessagesBeyondTheirBoundAreRefused(t *testing.T) {
	small := config.MQTTBroker{MaxRetainedBytes: 2 << 20}
	large := make([]byte, 900<<10)

	t.Run("MQTT 5 with QoS", func(t *testing.T) {
		for qos, answer := range map[byte]byte{1: 0x40, 2: 0x50} {
			broker, events := startBroker(t, small)
			c := newRawClient(t, broker, "c", 5)
			for i := range 2 {
				c.send(retain5(qos, byte(i+1), fmt.Sprint("t/", i), large))
				require.Equal(t, answer, c.receive()[0])
			}
			c.send(retain5(qos, 3, "t/2", large))
			require.Equal(t, []byte{answer, 3, 0, 3, 0x97}, c.receive())
			events.await(t, &messages.AuthzPublishDenied{ClientID: "c", Topic: "t/2", Reason: refusedForRoom})
			require.EqualValues(t, 1, broker.Refused()["retained"])
			require.Equal(t, 2, retainedCount(broker))
			require.Less(t, broker.Used()["retained"], int64(2<<20))
		}
	})
	t.Run("MQTT 3 with QoS", func(t *testing.T) {
		broker, events := startBroker(t, small)
		c := newRawClient(t, broker, "c", 4)
		for i := range 3 {
			c.send(publishPacket(0x33, fmt.Sprint("t/", i), len(large)))
		}
		c.receive()
		c.receive()
		c.requireClosed()
		events.await(t, &messages.AuthzPublishDenied{ClientID: "c", Topic: "t/2", Reason: refusedForRoom})
	})
	t.Run("without QoS it is delivered all the same", func(t *testing.T) {
		broker, events := startBroker(t, small)
		c := newRawClient(t, broker, "c", 4)
		c.send(subscribePacket("t/#", 0))
		c.receive()
		for i := range 3 {
			c.send(publishPacket(0x31, fmt.Sprint("t/", i), len(large)))
			require.Equal(t, byte(0x30), c.receive()[0])
		}
		require.Equal(t, 2, retainedCount(broker))
		require.Len(t, events.of(messages.TypeMessageRetained), 2)
	})
}

func TestClearedAndReplacedRetainedMessagesGiveTheirRoomBack(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 4)
	c.send(publishPacket(0x33, "t", 1<<10))
	c.receive()
	once := broker.Used()["retained"]
	require.Greater(t, once, int64(1<<10))
	c.send(publishPacket(0x33, "t", 1<<10))
	c.receive()
	c.ping()
	require.Equal(t, once, broker.Used()["retained"])
	c.send(publishPacket(0x33, "t", -1))
	c.receive()
	c.ping()
	require.Zero(t, broker.Used()["retained"])
}

func TestExpiredRetainedMessageLeavesNothing(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 5)
	body := append(textOf("deep/er/topic"), 5, 2, 0, 0, 0, 1)
	c.send(packetOf(0x31, append(body, 'x')))
	c.ping()
	require.Positive(t, broker.Used()["retained"])
	require.Eventually(t, func() bool { return len(events.of(messages.TypeMessageRetained)) == 2 }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return broker.Used()["retained"] == 0 }, patience, time.Millisecond)
	require.NoError(t, broker.Close()) // nothing changes mochi's tree any more
	require.NotContains(t, firstLevels(broker), "deep")
	require.Contains(t, firstLevels(broker), mqtt.SysPrefix)
}

// firstLevels are those of the topics in mochi's tree, which it shows nowhere.
func firstLevels(broker *Broker) []string {
	var levels []string
	root := reflect.ValueOf(broker.server.Topics).Elem().FieldByName("root").Elem()
	for _, level := range root.FieldByName("particles").FieldByName("internal").MapKeys() {
		levels = append(levels, level.String())
	}
	return levels
}

func TestRetainFlagOfAWillWithoutRoomIsDropped(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{MaxRetainedBytes: 1152 << 10})
	c := newRawClient(t, broker, "c", 4)
	c.send(publishPacket(0x33, "t", 1<<20-100))
	c.receive()
	connect := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0x26, 0, 0}, textOf("dying")...)
	will := make([]byte, 60<<10)
	for i := range 3 {
		dying := dialRaw(t, broker.Addr(), packetOf(0x10, append(append(bytes.Clone(connect), textOf(fmt.Sprint("will/", i))...), textOf(string(will))...))...)
		_, err := io.ReadFull(dying, make([]byte, 4))
		require.NoError(t, err)
		require.NoError(t, dying.Close())
		require.Eventually(t, func() bool { return len(events.of(messages.TypeMessagePublished)) == 2+i }, patience, time.Millisecond)
	}
	require.Equal(t, 2, retainedCount(broker))
}

func TestTopicOfTooManyLevelsIsRefused(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	deep := strings.Repeat("/", 128)
	c := newRawClient(t, broker, "c", 5)
	c.send(retain5(1, 1, deep[1:], nil))
	require.Equal(t, []byte{0x40, 2, 0, 1}, c.receive())
	c.send(retain5(1, 1, deep, nil))
	require.Equal(t, byte(0x90), c.receive()[4])
	events.await(t, &messages.AuthzPublishDenied{ClientID: "c", Topic: deep, Reason: "topic name invalid"})
	c.send(packetOf(0x82, append(append([]byte{0, 1, 0}, textOf(deep)...), 0)))
	require.Equal(t, []byte{0x90, 4, 0, 1, 0, 0x97}, c.receive())
	events.await(t, &messages.AuthzSubscribeDenied{ClientID: "c", TopicFilter: deep, Reason: refusedForRoom})
}

func TestSubscriptionsOfOneClientAreBounded(t *testing.T) {
	for version, refusal := range map[byte]byte{4: 0x80, 5: 0x97} {
		broker, events := startBroker(t, config.MQTTBroker{MaxClientBytes: 1152 << 10})
		c := newRawClient(t, broker, "c", version)
		long := strings.Repeat("x", 60_000)
		subscribe := func(filter string) byte {
			body := []byte{0, 1}
			if version == 5 {
				body = append(body, 0)
			}
			c.send(packetOf(0x82, append(append(body, textOf(filter)...), 0)))
			answer := c.receive()
			return answer[len(answer)-1]
		}
		granted := 0
		for subscribe(fmt.Sprint(granted, long)) == 0 {
			granted++
		}
		require.Equal(t, 6, granted)
		require.Equal(t, refusal, subscribe("another"+long))
		require.Zero(t, subscribe("short"))
		require.Zero(t, subscribe("0"+long), "a filter that is there already")
		require.Equal(t, refusedForRoom, events.of(messages.TypeAuthzSubscribeDenied)[0].(*messages.AuthzSubscribeDenied).Reason)
		used := broker.Used()["subscriptions"]

		unsubscribe := []byte{0, 1}
		if version == 5 {
			unsubscribe = append(unsubscribe, 0)
		}
		c.send(packetOf(0xA2, append(unsubscribe, textOf("1"+long)...)))
		c.receive()
		require.Less(t, broker.Used()["subscriptions"], used-3*60_000)
		require.Zero(t, subscribe("another"+long))
		c.close()
		require.Eventually(t, func() bool { return broker.Used()["subscriptions"] == 0 }, patience, time.Millisecond)
	}
}

func TestFilterThatIsDeniedTakesNoRoom(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{ACL: []config.ACLRule{{Subscribe: []string{"open"}}}})
	c := newRawClient(t, broker, "c", 4)
	c.send(subscribePacket("closed", 0))
	require.Equal(t, byte(0x80), c.receive()[4])
	require.Zero(t, broker.Used()["subscriptions"])
}

func TestFilterThatIsNoneTakesNoRoom(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 4)
	c.send(subscribePacket("a/#/b", 0))
	require.Equal(t, byte(0x80), c.receive()[4])
	require.Zero(t, broker.Used()["subscriptions"])
}

func TestQueueOfASessionIsBoundedAndGivesItsRoomBack(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	sleeper := newRawClient(t, broker, "sleeper", 4, resuming)
	sleeper.send(subscribePacket("t", 1))
	sleeper.receive()
	sleeper.close()
	publisher := newRawClient(t, broker, "publisher", 4)
	for range 8 {
		publisher.send(publishPacket(0x32, "t", megabyte))
		publisher.receive()
	}
	publisher.ping()
	require.EqualValues(t, 4, broker.Refused()["queue"])
	require.Less(t, broker.Used()["queues"], int64(4<<20))
	require.Greater(t, broker.Used()["queues"], int64(4*megabyte))

	sleeper = newRawClient(t, broker, "sleeper", 4, resuming)
	for range 4 {
		packet := sleeper.receive()
		require.Equal(t, byte(0x32), packet[0]) // without DUP: none was sent before
		_, n := binary.Uvarint(packet[1:])
		sleeper.send([]byte{0x40, 2, packet[1+n+3], packet[1+n+4]})
	}
	sleeper.ping()
	require.Zero(t, broker.Used()["queues"])
}

func TestSlowReaderLosesWhatItHasNoRoomForAndNobodyElseWaits(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	slow := newRawClient(t, broker, "slow", 4)
	slow.send(subscribePacket("t", 0))
	slow.receive()
	fast := dialMQTT3(t, broker.Addr(), login{id: "fast"})
	fast.subscribe(0, map[string]byte{"t": 0})
	publisher := newRawClient(t, broker, "publisher", 4)
	begun := time.Now()
	for range 12 {
		publisher.send(publishPacket(0x30, "t", megabyte))
		<-fast.received
	}
	require.Less(t, time.Since(begun), writeTimeout)
	require.Positive(t, broker.Refused()["outgoing"])
	require.LessOrEqual(t, broker.Used()["outgoing"], int64(2<<20))
	require.GreaterOrEqual(t, len(events.of(messages.TypeMessageDelivered)), 12)
	slow.close()
	require.Eventually(t, func() bool { return broker.Used()["outgoing"] == 0 }, patience, time.Millisecond)
}

func TestBurstReachesAReaderThatReads(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	reader := newRawClient(t, broker, "reader", 4)
	reader.send(subscribePacket("t/#", 0))
	reader.receive()
	publisher := newRawClient(t, broker, "publisher", 4)
	var burst []byte
	for i := range 3_000 {
		burst = append(burst, publishPacket(0x31, fmt.Sprint("t/", i), 10)...)
	}
	publisher.send(burst)
	for range 3_000 {
		require.Equal(t, byte(0x30), reader.receive()[0])
	}
	late := newRawClient(t, broker, "late", 4)
	late.send(subscribePacket("t/#", 0))
	for range 3_001 {
		late.receive()
	}
	require.Zero(t, broker.Refused()["outgoing"])
}

func TestRetainedMessagesWaitForTheirReader(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	publisher := newRawClient(t, broker, "publisher", 4)
	for i := range 15 {
		publisher.send(publishPacket(0x31, fmt.Sprint("t/", i), megabyte))
	}
	publisher.ping()
	reader := newRawClient(t, broker, "reader", 4)
	reader.send(subscribePacket("t/#", 0))
	for range 16 {
		reader.receive()
	}
	require.Zero(t, broker.Refused()["outgoing"])
}

func TestSessionWithoutAConnectionForLongestGivesWay(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{MaxBytes: 64 << 20, MaxClientBytes: 2 << 20})
	broker.bounds.sessions.limit = 3 * (sessionBytes + 100)
	for i := range 3 {
		c := newRawClient(t, broker, fmt.Sprint("old-", i), 4, resuming)
		c.send(subscribePacket(fmt.Sprint("t/", i), 1))
		c.receive()
		c.close()
		require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == i+1 }, patience, time.Millisecond)
	}
	awaitOffline(t, broker, 3)
	newRawClient(t, broker, "old-0", 4, resuming) // which is not the oldest any more, then
	newRawClient(t, broker, "new", 4)
	events.await(t, &messages.SubscriptionRemoved{ClientID: "old-1", TopicFilter: "t/1"})
	require.EqualValues(t, 1, broker.Refused()["abandoned_session"])
	newRawClient(t, broker, "newer", 4)
	for version, refusal := range map[byte][]byte{4: {0x20, 2, 0, 3}, 5: {0x97}} {
		conn := dialRaw(t, broker.Addr(), connectPacketOf(version, "too-many", false)...)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), string(refusal))
		require.Equal(t, byte(0x20), answer[0])
	}
	require.EqualValues(t, 2, broker.Refused()["session"])
	require.Len(t, events.of(messages.TypeAuthFailure), 2)
}

func TestWrongPasswordMakesNoSessionGiveWay(t *testing.T) {
	broker, _ := startBroker(t, guarded)
	broker.bounds.sessions.limit = 1
	conn := dialRaw(t, broker.Addr(), connectPacketOf(5, "stranger", false)...)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, byte(0x86), answer[3])
	require.Zero(t, broker.Refused()["session"])
}

func TestSessionGivesAllItTookBack(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	for _, kind := range []bool{fresh, resuming} {
		for range 2 {
			c := newRawClient(t, broker, "c", 4, kind)
			c.send(subscribePacket("t", 1))
			c.receive()
			newRawClient(t, broker, "c", 4, kind) // takes over
		}
	}
	c := newRawClient(t, broker, "c", 4, fresh)
	c.send([]byte{0xE0, 0})
	require.Eventually(t, func() bool {
		used := broker.Used()
		return used["sessions"] == 0 && used["subscriptions"] == 0 && used["queues"] == 0
	}, patience, time.Millisecond)
}

func TestPacketBeyondItsBoundIsRefusedWithItsReason(t *testing.T) {
	for name, packet := range map[string][]byte{
		"PUBLISH":    {0x30, 0x80, 0x80, 0x40},
		"SUBSCRIBE":  {0x82, 0x80, 0x80, 0x08},
		"properties": packetOf(0x30, append([]byte{0, 1, 't'}, append(remainingLength(70_000), bytes.Repeat([]byte{38, 0, 0, 0, 0}, 14_000)...)...)),
	} {
		t.Run(name, func(t *testing.T) {
			broker, _ := startBroker(t, config.MQTTBroker{})
			c := newRawClient(t, broker, "c", 5)
			c.send(packet)
			require.Equal(t, []byte{0xE0, 2, 0x95, 0}, c.receive())
			c.requireClosed()
			require.EqualValues(t, 1, broker.Refused()["packet"])
		})
	}
}

func TestPacketThatComesInPiecesIsWhole(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	c := newRawClient(t, broker, "c", 4)
	packet := publishPacket(0x32, "t", 5_000)
	for i := 0; i < len(packet); i += 700 {
		c.send(packet[i:min(i+700, len(packet))])
	}
	require.Equal(t, []byte{0x40, 2, 0, 1}, c.receive())
	require.Len(t, events.of(messages.TypeMessagePublished)[0].(*messages.MessagePublished).Payload, 5_001)
}

func TestLargeConnectLogsIn(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	id := strings.Repeat("i", 60_000)
	newRawClient(t, broker, id, 5)
	require.Equal(t, id, events.of(messages.TypeAuthSuccess)[0].(*messages.AuthSuccess).ClientID)
	require.Eventually(t, func() bool { return broker.Used()["arriving"] == 0 }, patience, time.Millisecond, "the login comes before the next read")
}

func TestOldestSilentConnectionGivesWay(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{MaxConnecting: 3})
	loggedIn := newRawClient(t, broker, "first", 4)
	var silent []net.Conn
	for i := range 4 {
		silent = append(silent, dialTCP(t, broker.Addr()))
		require.Eventually(t, func() bool { return broker.bounds.connecting.used() == int64(min(i+1, 3)) }, patience, time.Millisecond)
	}
	require.Eventually(t, func() bool { return broker.Refused()["connecting"] == 1 }, patience, time.Millisecond)
	_, err := io.ReadAll(silent[0])
	require.NoError(t, err)
	loggedIn.ping()
	_, err = silent[3].Write(connectPacket(4, 30))
	require.NoError(t, err)
	_, err = io.ReadFull(silent[3], make([]byte, 4))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return broker.bounds.connecting.used() == 2 }, patience, time.Millisecond)
}

func TestSilentConnectionIsClosedBeforeItsLogin(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	begun := time.Now()
	conn := dialRaw(t, broker.Addr(), 0x10)
	_, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.InDelta(t, connectTimeout.Seconds(), time.Since(begun).Seconds(), 2)
}

func awaitOffline(t *testing.T, broker *Broker, count int) {
	t.Helper()
	require.Eventually(t, func() bool {
		broker.quotas.holdings.mu.Lock()
		defer broker.quotas.holdings.mu.Unlock()
		return broker.quotas.holdings.offline.Len() == count
	}, patience, time.Millisecond)
}

// retainedCount is without the broker's own messages.
func retainedCount(broker *Broker) int {
	count := 0
	for topic := range broker.server.Topics.Retained.GetAll() {
		if !ofBroker(topic) {
			count++
		}
	}
	return count
}

// retain5 is a PUBLISH of MQTT 5.0 that is to be retained.
func retain5(qos, packetID byte, topic string, payload []byte) []byte {
	body := append(textOf(topic), 0, packetID, 0)
	return packetOf(0x31|qos<<1, append(body, payload...))
}

const (
	fresh    = false
	resuming = true
)

// rawClient is a client that says and hears bytes.
type rawClient struct {
	t    *testing.T
	conn net.Conn
}

// newRawClient logs in.
func newRawClient(t *testing.T, broker *Broker, id string, version byte, resume ...bool) *rawClient {
	t.Helper()
	s := &rawClient{t, dialRaw(t, broker.Addr(), connectPacketOf(version, id, len(resume) > 0 && resume[0])...)}
	require.Equal(t, byte(0x20), s.receive()[0])
	return s
}

func (s *rawClient) send(packet []byte) { _, _ = s.conn.Write(packet) }

func (s *rawClient) receive() []byte {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	packet := make([]byte, 2)
	_, err := io.ReadFull(s.conn, packet)
	require.NoError(s.t, err)
	for packet[len(packet)-1]&0x80 != 0 {
		packet = append(packet, 0)
		_, err = io.ReadFull(s.conn, packet[len(packet)-1:])
		require.NoError(s.t, err)
	}
	length, _ := binary.Uvarint(packet[1:])
	rest := make([]byte, length)
	_, err = io.ReadFull(s.conn, rest)
	require.NoError(s.t, err)
	return append(packet, rest...)
}

// ping returns when all that was sent is done.
func (s *rawClient) ping() {
	s.t.Helper()
	s.send([]byte{0xC0, 0})
	require.Equal(s.t, []byte{0xD0, 0}, s.receive())
}

func (s *rawClient) requireClosed() {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := s.conn.Read(make([]byte, 1))
	require.Error(s.t, err)
	require.NotErrorIs(s.t, err, os.ErrDeadlineExceeded)
}

func (s *rawClient) close() { _ = s.conn.Close() }
