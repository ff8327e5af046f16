package mqttbroker

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/source/mqttbroker/persistence"
)

// startKeeping starts a broker that keeps what it has in the folder.
func startKeeping(t *testing.T, cfg config.MQTTBroker, dir string) (*Broker, *recorder) {
	recorder := &recorder{}
	cfg.Listen = "127.0.0.1:0"
	broker, err := New(cfg, "node-1", recorder, slog.New(slog.DiscardHandler), WithFolder(dir))
	require.NoError(t, err)
	require.NoError(t, broker.Start())
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	return broker, recorder
}

// folderNow is a folder as a process that is killed now leaves it. No commit may be under way.
func folderNow(t *testing.T, broker *Broker) string {
	content, err := os.ReadFile(filepath.Join(broker.keeping.dir, persistence.FileName))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, persistence.FileName), content, 0o600))
	return dir
}

// restarted is what comes after a kill at this moment.
func restarted(t *testing.T, broker *Broker) (*Broker, *recorder) {
	return startKeeping(t, broker.config, folderNow(t, broker))
}

// synced waits until what the broker has done is on disk, as the acknowledgement of a PUBLISH would.
func synced(t *testing.T, broker *Broker) { require.NoError(t, broker.keeping.keeper.Sync()) }

// change changes the records of a folder that no broker uses; one that becomes nil goes.
func change(t *testing.T, dir string, change func(is kind, value []byte) []byte) {
	keeper, stored, err := persistence.Open(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, s := range stored {
		if value := change(kind(s.Value[0]), bytes.Clone(s.Value)); value == nil {
			keeper.Drop(s.Record)
		} else {
			keeper.Replace(s.Record, func() []byte { return value })
		}
	}
	require.NoError(t, keeper.Close())
}

// records lists how many of each kind a folder has that no broker uses.
func records(t *testing.T, dir string) map[kind]int {
	count := map[kind]int{}
	change(t, dir, func(is kind, value []byte) []byte { count[is]++; return value })
	return count
}

func TestQueuedMessagesOutliveTheProcessInTheirOrder(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		const all = 200
		mixed := func(i int) byte { return 1 + byte(i%2) }
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, all, mixed)
		synced(t, broker)
		broker, events = restarted(t, broker)
		s := dialScript(t, broker.Addr(), version, "sub")
		require.True(t, s.connack.SessionPresent)
		ids := map[uint16]bool{}
		for i := range all {
			pk := s.receiveMessage(strconv.Itoa(i))
			require.Equal(t, mixed(i), pk.FixedHeader.Qos)
			require.False(t, pk.FixedHeader.Dup, "its client was gone: it is sent for the first time")
			require.False(t, ids[pk.PacketID])
			ids[pk.PacketID] = true
		}
		require.Eventually(t, func() bool { return len(events.of(messages.TypeMessageDelivered)) == all }, patience, time.Millisecond)
	})
}

func TestSubscriptionsOutliveTheProcessWithTheirOptions(t *testing.T) {
	broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	s := dialScript(t, broker.Addr(), version5, "sub")
	filters := packets.Subscriptions{
		{Filter: "own/#", Qos: 2, NoLocal: true, Identifier: 7},
		{Filter: "as/published", Qos: 1, RetainAsPublished: true, RetainHandling: 2, Identifier: 7},
		{Filter: "$share/group/shared", Qos: 1, Identifier: 7},
		{Filter: "gone", Qos: 1, Identifier: 7},
		{Filter: "changed", Qos: 2, Identifier: 7},
	}
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1, Filters: filters,
		Properties: packets.Properties{SubscriptionIdentifier: []int{7}},
	})
	require.Equal(t, []byte{2, 1, 1, 1, 2}, s.receive(packets.Suback).ReasonCodes)
	s.unsubscribe(2, "gone")
	s.subscribe(3, "changed", 0)
	before, found := broker.server.Clients.Get("sub")
	require.True(t, found)

	broker, _ = restarted(t, broker)
	after, found := broker.server.Clients.Get("sub")
	require.True(t, found)
	require.Equal(t, before.State.Subscriptions.GetAll(), after.State.Subscriptions.GetAll())
	require.Len(t, after.State.Subscriptions.GetAll(), 4)
	s = dialScript(t, broker.Addr(), version5, "sub")
	require.True(t, s.connack.SessionPresent)
	s.publish("own/topic", "mine", 0, 0)
	s.publish("gone", "x", 0, 0)
	publisher := dialMQTT5(t, broker.Addr(), login{id: "pub"})
	for topic, qos := range map[string]byte{"own/topic": 2, "as/published": 1, "shared": 1, "changed": 0} {
		publisher.publish(topic, 2, topic == "as/published", topic)
		pk := s.receiveMessage(topic)
		require.Equal(t, qos, pk.FixedHeader.Qos)
		require.Equal(t, topic == "as/published", pk.FixedHeader.Retain)
		if topic != "changed" {
			require.Equal(t, []int{7}, pk.Properties.SubscriptionIdentifier)
		}
	}
}

func TestASubackIsSentWhenItsSubscriptionIsOnDisk(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		s := dialScript(t, broker.Addr(), version, "sub")
		require.Equal(t, map[kind]int{kindSession: 1}, records(t, folderNow(t, broker)), "at the CONNACK")
		s.subscribe(1, "a", 1)
		require.Equal(t, map[kind]int{kindSession: 1, kindSubscription: 1}, records(t, folderNow(t, broker)), "at the SUBACK")
		s.unsubscribe(2, "a")
		require.Equal(t, map[kind]int{kindSession: 1}, records(t, folderNow(t, broker)), "at the UNSUBACK")
	})
}

func TestASessionThatEndsWithItsConnectionIsNotKept(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		ends := func(connect *packets.Packet) {
			connect.Connect.Clean = version == version3
			connect.Properties = packets.Properties{}
		}
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		s := dialScript(t, broker.Addr(), version, "sub", ends)
		s.subscribe(1, "t", 2)
		publishAll(t, broker, events, 0, 10, always(1))
		synced(t, broker)
		require.Empty(t, records(t, folderNow(t, broker)))
	})
}

func TestASessionThatGoesOnDifferentlyIsKeptAsItGoesOn(t *testing.T) {
	for name, ends := range map[string]with{
		"it starts anew":           func(connect *packets.Packet) { connect.Connect.Clean, connect.Properties = true, packets.Properties{} },
		"it ends with that client": func(connect *packets.Packet) { connect.Properties = packets.Properties{} },
	} {
		t.Run(name, func(t *testing.T) {
			broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
			absent(t, broker, events, version5)
			publishAll(t, broker, events, 0, 3, always(2))
			synced(t, broker)
			require.Equal(t, map[kind]int{kindSession: 1, kindSubscription: 1, kindMessage: 3}, records(t, folderNow(t, broker)))

			s := dialScript(t, broker.Addr(), version5, "sub", ends)
			require.Empty(t, records(t, folderNow(t, broker)), "at the CONNACK")

			// And back again: what it has by now is kept from then on.
			held := s.connack.SessionPresent
			for i := range 3 {
				if held {
					s.receiveMessage(strconv.Itoa(i))
				}
			}
			s.subscribe(1, "t", 1)
			again := dialScript(t, broker.Addr(), version5, "sub")
			require.True(t, again.connack.SessionPresent)
			want := map[kind]int{kindSession: 1, kindSubscription: 1}
			if held {
				want[kindMessage] = 3
			}
			require.Equal(t, want, records(t, folderNow(t, broker)), "at the CONNACK")
		})
	}
}

func TestRetainedMessagesOutliveTheProcess(t *testing.T) {
	broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	publisher := dialMQTT5(t, broker.Addr(), login{id: "pub"})
	publisher.publish("gone", 1, true, "gone")
	publisher.publish("replaced", 1, true, "first")
	publisher.publish("replaced", 1, true, "second")
	publisher.publishMQTT5(&paho.Publish{
		Topic: "full", QoS: 2, Retain: true, Payload: []byte("full"),
		Properties: &paho.PublishProperties{
			ContentType: "text/plain", ResponseTopic: "answer", CorrelationData: []byte{0, 1, 0xFF}, PayloadFormat: new(byte(1)),
			MessageExpiry: new(uint32(1000)), User: paho.UserProperties{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
		},
	})
	synced(t, broker)
	publisher.publish("gone", 1, true, "")
	synced(t, broker)

	broker, _ = restarted(t, broker)
	s := dialScript(t, broker.Addr(), version5, "sub")
	s.subscribe(1, "gone", 1)
	s.subscribe(2, "replaced", 1)
	require.True(t, s.receiveMessage("second").FixedHeader.Retain)
	s.subscribe(3, "full", 2)
	pk := s.receiveMessage("full")
	require.Equal(t, byte(2), pk.FixedHeader.Qos)
	require.InDelta(t, 1000, pk.Properties.MessageExpiryInterval, 60)
	pk.Properties.MessageExpiryInterval = 0
	require.Equal(t, packets.Properties{
		ContentType: "text/plain", ResponseTopic: "answer", CorrelationData: []byte{0, 1, 0xFF}, PayloadFormat: 1, PayloadFormatFlag: true,
		User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}},
	}, pk.Properties)
	require.Equal(t, 2, broker.server.Topics.Retained.Len()-systemTopics(broker))
	require.Positive(t, broker.Used()["retained"])
}

func systemTopics(broker *Broker) (n int) {
	for topic := range broker.server.Topics.Retained.GetAll() {
		if ofBroker(topic) {
			n++
		}
	}
	return n
}

func TestARetainedMessageThatExpiredMeanwhileIsGoneAndTold(t *testing.T) {
	broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	publisher := dialMQTT5(t, broker.Addr(), login{id: "pub"})
	publisher.publishMQTT5(&paho.Publish{Topic: "t", QoS: 1, Retain: true, Payload: []byte("x"),
		Properties: &paho.PublishProperties{MessageExpiry: new(uint32(60))}})
	synced(t, broker)
	dir := folderNow(t, broker)
	change(t, dir, func(_ kind, value []byte) []byte {
		message := decodeMessage(&recordReader{left: value[1:]})
		message.expiry -= 62
		return message.encodeRetained()
	})
	_, events := startKeeping(t, config.MQTTBroker{}, dir)
	events.await(t, &messages.MessageRetained{Topic: "t", Cleared: true})
}

func TestAQueuedMessageThatExpiredMeanwhileIsNotSent(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	absent(t, broker, events, version5)
	publisher := dialMQTT5(t, broker.Addr(), login{id: "pub"})
	for _, payload := range []string{"expires", "stays"} {
		publisher.publishMQTT5(&paho.Publish{Topic: "t", QoS: 1, Payload: []byte(payload),
			Properties: &paho.PublishProperties{MessageExpiry: new(uint32(60))}})
	}
	events.await(t, &messages.MessagePublished{ClientID: "pub", Topic: "t", QoS: 1, PayloadSize: 7, Payload: []byte("expires")},
		&messages.MessagePublished{ClientID: "pub", Topic: "t", QoS: 1, PayloadSize: 5, Payload: []byte("stays")})
	synced(t, broker)
	dir := folderNow(t, broker)
	change(t, dir, func(is kind, value []byte) []byte {
		if is != kindMessage {
			return value
		}
		reader := &recordReader{left: value[1:]}
		session, message := reader.uvarint(), decodeQueued(reader)
		if string(message.payload) == "expires" {
			message.expiry -= 62
		}
		return message.encodeQueued(session)
	})
	broker, _ = startKeeping(t, config.MQTTBroker{}, dir)
	s := dialScript(t, broker.Addr(), version5, "sub")
	require.InDelta(t, 60, s.receiveMessage("stays").Properties.MessageExpiryInterval, 30)
	s.receivesNothingMore()
}

// leftAgo has the sessions of a folder have lost their connections so much earlier.
func leftAgo(t *testing.T, dir string, by time.Duration) {
	change(t, dir, func(is kind, value []byte) []byte {
		if is != kindSession {
			return value
		}
		session := decodeSession(&recordReader{left: value[1:]})
		require.NotZero(t, session.disconnected)
		session.disconnected -= int64(by / time.Second)
		return session.encode()
	})
}

func TestSessionExpiryCountsOnOverARestart(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		lasts := map[byte]time.Duration{version3: maxSessionExpiry, version5: time.Hour}[version]
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 2, always(1))
		synced(t, broker)

		almost := folderNow(t, broker)
		leftAgo(t, almost, lasts-time.Minute)
		resumed, events := startKeeping(t, config.MQTTBroker{}, almost)
		require.Empty(t, events.of(messages.TypeSubscriptionRemoved))
		require.InDelta(t, time.Now().Add(time.Minute-lasts).Unix(), clientOf(t, resumed, "sub").StopTime(), 30)
		require.True(t, dialScript(t, resumed.Addr(), version, "sub").connack.SessionPresent)

		over := folderNow(t, broker)
		leftAgo(t, over, lasts+2*time.Second)
		anew, events := startKeeping(t, config.MQTTBroker{}, over)
		require.Equal(t, []messages.Event{&messages.SubscriptionRemoved{ClientID: "sub", TopicFilter: "t"}}, events.all())
		require.Equal(t, map[string]int64{"acknowledgements": 0, "sessions": 0, "subscriptions": 0, "queues": 0, "retained": 0, "outgoing": 0, "arriving": 0}, anew.Used())
		s := dialScript(t, anew.Addr(), version, "sub")
		require.False(t, s.connack.SessionPresent)
		s.receivesNothingMore()
		require.Equal(t, map[kind]int{kindSession: 1}, records(t, folderNow(t, anew)))
	})
}

func TestTheExpiryOfASessionThatHadAConnectionCountsFromTheRestart(t *testing.T) {
	broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	dialScript(t, broker.Addr(), version5, "sub").subscribe(1, "t", 1)
	broker, _ = restarted(t, broker)
	synced(t, broker)
	dir := folderNow(t, broker)
	leftAgo(t, dir, time.Hour+2*time.Second)
	_, events := startKeeping(t, config.MQTTBroker{}, dir)
	events.await(t, &messages.SubscriptionRemoved{ClientID: "sub", TopicFilter: "t"})
}

func TestADisconnectThatEndsTheSessionEndsWhatIsKeptOfIt(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	s := dialScript(t, broker.Addr(), version5, "sub")
	s.subscribe(1, "t", 1)
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
		Properties:  packets.Properties{SessionExpiryInterval: 0, SessionExpiryIntervalFlag: true},
	})
	events.await(t, &messages.SubscriptionRemoved{ClientID: "sub", TopicFilter: "t"})
	synced(t, broker)
	require.Empty(t, records(t, folderNow(t, broker)))
}

func TestAMessageOfQoS2IsSentAgainUnderItsIDAndCompletedOnce(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 2, always(2))
		s := dialScript(t, broker.Addr(), version, "sub")
		first, second := s.receiveMessage("0").PacketID, s.receiveMessage("1").PacketID
		synced(t, broker)

		// The client has both, and its PUBREC of neither came.
		broker, events = restarted(t, broker)
		s = dialScript(t, broker.Addr(), version, "sub")
		for payload, id := range []uint16{first, second} {
			pk := s.receiveMessage(strconv.Itoa(payload))
			require.True(t, pk.FixedHeader.Dup)
			require.Equal(t, id, pk.PacketID)
		}
		s.acknowledge(packets.Pubrec, first)
		require.Equal(t, first, s.receive(packets.Pubrel).PacketID)
		require.Empty(t, events.of(messages.TypeMessageDelivered), "they were told before")

		// At its PUBREL the file has it that the message must not be sent again.
		broker, _ = restarted(t, broker)
		s = dialScript(t, broker.Addr(), version, "sub")
		require.Equal(t, first, s.receive(packets.Pubrel).PacketID, "in its place")
		require.Equal(t, second, s.receiveMessage("1").PacketID)
		s.acknowledge(packets.Pubcomp, first)
		s.acknowledge(packets.Pubrec, second)
		s.receive(packets.Pubrel)
		s.acknowledge(packets.Pubcomp, second)
		s.receivesNothingMore()
		synced(t, broker)

		broker, _ = restarted(t, broker)
		s = dialScript(t, broker.Addr(), version, "sub")
		s.receivesNothingMore()
		require.Zero(t, broker.Used()["queues"])
	})
}

func TestWhatAKilledBrokerMayHaveSentIsMarkedAsARepetition(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	s := dialScript(t, broker.Addr(), version5, "sub", receiveMaximum(1))
	s.subscribe(1, "t", 1)
	publishAll(t, broker, events, 0, 2, always(1))
	s.receiveMessage("0")
	synced(t, broker)
	broker, events = restarted(t, broker)
	s = dialScript(t, broker.Addr(), version5, "sub")
	// At the CONNACK the file has it that there is a connection: a kill before the next commit changes nothing.
	again, _ := restarted(t, broker)
	require.True(t, dialScript(t, again.Addr(), version5, "sub").receiveMessage("0").FixedHeader.Dup)
	require.True(t, s.receiveMessage("0").FixedHeader.Dup)
	require.True(t, s.receiveMessage("1").FixedHeader.Dup)
	events.await(t, &messages.MessageDelivered{ClientID: "sub", Topic: "t", QoS: 1, PayloadSize: 1})
}

func TestAMessageThatAClientSendsAgainAfterAKillIsNoSecondOne(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		absent(t, broker, events, version)
		s := dialScript(t, broker.Addr(), version, "pub")
		s.publish("t", "once", 2, 9)
		s.receive(packets.Pubrec)
		events.await(t, &messages.MessagePublished{ClientID: "pub", Topic: "t", QoS: 2, PayloadSize: 4, Payload: []byte("once")})
		synced(t, broker)
		require.Equal(t, map[kind]int{kindSession: 2, kindSubscription: 1, kindMessage: 1, kindReceived: 1}, records(t, folderNow(t, broker)))

		broker, events = restarted(t, broker)
		s = dialScript(t, broker.Addr(), version, "pub")
		require.True(t, s.connack.SessionPresent)
		s.send(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2, Dup: true},
			TopicName:   "t", PacketID: 9, Payload: []byte("once"),
		})
		require.Equal(t, uint16(9), s.receive(packets.Pubrec).PacketID)
		s.acknowledge(packets.Pubrel, 9)
		require.Equal(t, uint16(9), s.receive(packets.Pubcomp).PacketID)
		require.Empty(t, events.of(messages.TypeMessagePublished))

		// At the PUBCOMP the file has it that the id may be used anew.
		broker, events = restarted(t, broker)
		s = dialScript(t, broker.Addr(), version, "pub")
		s.send(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2, Dup: true},
			TopicName:   "t", PacketID: 9, Payload: []byte("another"),
		})
		s.receive(packets.Pubrec)
		events.await(t, &messages.MessagePublished{ClientID: "pub", Topic: "t", QoS: 2, PayloadSize: 7, Payload: []byte("another")})
		sub := dialScript(t, broker.Addr(), version, "sub")
		sub.receiveMessage("once")
		sub.receiveMessage("another")
		sub.receivesNothingMore()
	})
}

func TestWhatIsAcknowledgedIsNotKept(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		sub := dial(t, broker.Addr(), login{id: "sub", resume: true})
		sub.subscribe(0, map[string]byte{"t": 2})
		publishAll(t, broker, events, 0, 50, func(i int) byte { return 1 + byte(i%2) })
		for i := range 50 {
			sub.awaitMessage(t, strconv.Itoa(i))
		}
		require.Eventually(t, func() bool {
			synced(t, broker)
			found := records(t, folderNow(t, broker))
			return found[kindMessage]+found[kindReleased] == 0
		}, patience, time.Millisecond)
	})
}

func TestARealClientGoesOnWhereTheKilledBrokerWas(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
		sub := dial(t, broker.Addr(), login{id: "sub", resume: true})
		sub.subscribe(0, map[string]byte{"t": 1})
		sub.sever()
		require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
		publishAll(t, broker, events, 0, 50, always(1))
		synced(t, broker)
		broker, events = restarted(t, broker)
		sub = dial(t, broker.Addr(), login{id: "sub", resume: true})
		for i := range 50 {
			sub.awaitMessage(t, strconv.Itoa(i))
		}
		publishAll(t, broker, events, 50, 60, always(1))
		for i := 50; i < 60; i++ {
			sub.awaitMessage(t, strconv.Itoa(i))
		}
	})
}

func TestASessionOfAKilledBrokerKeepsItsRights(t *testing.T) {
	cfg := config.MQTTBroker{
		Users: []config.User{{Username: "reader", Password: "r"}, {Username: "writer", Password: "w"}},
		ACL: []config.ACLRule{
			{Username: "reader", Subscribe: []string{"t"}},
			{Username: "writer", Publish: []string{"t"}},
		},
	}
	broker, events := startKeeping(t, cfg, t.TempDir())
	as := login{id: "sub", username: "reader", password: "r", resume: true}
	sub := dialMQTT5(t, broker.Addr(), as)
	sub.subscribe(0, map[string]byte{"t": 1})
	sub.sever()
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
	broker, events = restarted(t, broker)
	dialMQTT5(t, broker.Addr(), login{id: "pub", username: "writer", password: "w"}).publish("t", 1, false, "x")
	require.Eventually(t, func() bool { return len(events.of(messages.TypeMessagePublished)) == 1 }, patience, time.Millisecond)
	dialMQTT5(t, broker.Addr(), as).awaitMessage(t, "x")
}

func TestASessionOfAKilledBrokerIsBounded(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	absent(t, broker, events, version5)
	publishAll(t, broker, events, 0, 1, always(1))
	synced(t, broker)
	used := broker.Used()
	used["outgoing"] = 0
	broker, events = restarted(t, broker)
	require.Equal(t, used["subscriptions"], broker.Used()["subscriptions"])
	require.Equal(t, used["queues"], broker.Used()["queues"])
	publisher := dialMQTT5(t, broker.Addr(), login{id: "pub"})
	large := string(make([]byte, 512<<10))
	for range 12 {
		publisher.publish("t", 1, false, large)
	}
	require.Eventually(t, func() bool { return len(events.of(messages.TypeMessagePublished)) == 12 }, patience, time.Millisecond)
	require.LessOrEqual(t, broker.Used()["queues"], int64(broker.config.MaxQueueBytes))
	require.Positive(t, broker.Refused()["queue"])

	// What has no room any more is dropped, the latest first, and the broker starts.
	synced(t, broker)
	cfg := broker.config
	cfg.MaxQueueBytes = 1152 << 10
	broker, _ = startKeeping(t, cfg, folderNow(t, broker))
	require.LessOrEqual(t, broker.Used()["queues"], int64(cfg.MaxQueueBytes))
	require.Positive(t, broker.Refused()["queue"])
	s := dialScript(t, broker.Addr(), version5, "sub")
	s.receiveMessage("0")
	s.receiveMessage(large)
}

func TestASessionThatIsAbandonedForAnotherIsNotKept(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	absent(t, broker, events, version5)
	broker.quotas.end("sub")
	broker.quotas.holdings.forget("sub")
	synced(t, broker)
	require.Empty(t, records(t, folderNow(t, broker)))
}

func TestAStopKeepsWhatAKillWouldKeep(t *testing.T) {
	dir := t.TempDir()
	broker, events := startKeeping(t, config.MQTTBroker{}, dir)
	absent(t, broker, events, version5)
	s := dialScript(t, broker.Addr(), version5, "connected")
	s.subscribe(1, "t", 1)
	publishAll(t, broker, events, 0, 3, always(1))
	require.NoError(t, broker.Close())
	broker, _ = startKeeping(t, config.MQTTBroker{}, dir)
	for _, id := range []string{"sub", "connected"} {
		s := dialScript(t, broker.Addr(), version5, id)
		for i := range 3 {
			s.receiveMessage(strconv.Itoa(i))
		}
		s.receivesNothingMore()
	}
}

func TestTwoBrokersCannotShareAFolder(t *testing.T) {
	broker, _ := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	second, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-2", &recorder{}, slog.New(slog.DiscardHandler), WithFolder(broker.keeping.dir))
	require.NoError(t, err)
	require.ErrorContains(t, second.Start(), "another process has the file open")
	require.NoError(t, second.Close())
}

func TestABrokerThatCannotListenLetsGoOfItsFolder(t *testing.T) {
	taken, _ := startBroker(t, config.MQTTBroker{})
	dir := t.TempDir()
	broker, err := New(config.MQTTBroker{Listen: taken.Addr().String()}, "node-2", &recorder{}, slog.New(slog.DiscardHandler), WithFolder(dir))
	require.NoError(t, err)
	require.Error(t, broker.Start())
	startKeeping(t, config.MQTTBroker{}, dir)
}

func TestABrokerStartsWithADamagedFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, persistence.FileName), []byte("no database"), 0o600))
	broker, _ := startKeeping(t, config.MQTTBroker{}, dir)
	require.False(t, dialScript(t, broker.Addr(), version5, "sub").connack.SessionPresent)
	aside, err := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
	require.NoError(t, err)
	require.Len(t, aside, 1)
}

func TestRecordsWithoutTheirSessionAreDropped(t *testing.T) {
	broker, events := startKeeping(t, config.MQTTBroker{}, t.TempDir())
	absent(t, broker, events, version5)
	publishAll(t, broker, events, 0, 3, always(1))
	synced(t, broker)
	dir := folderNow(t, broker)
	change(t, dir, func(is kind, value []byte) []byte {
		if is == kindSession {
			return []byte{99}
		}
		return value
	})
	broker, _ = startKeeping(t, config.MQTTBroker{}, dir)
	require.False(t, dialScript(t, broker.Addr(), version5, "sub").connack.SessionPresent)
	require.Equal(t, map[kind]int{kindSession: 1}, records(t, folderNow(t, broker)))
}

// failDisk has nothing be written to the folder's file, and no other made, until the returned function mends it.
func failDisk(t *testing.T, dir string) (mend func()) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	require.NoError(t, err)
	defer full.Close()
	open, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	found := false
	for _, name := range open {
		if target, err := os.Readlink(name); err == nil && target == filepath.Join(dir, persistence.FileName) {
			fd, err := strconv.Atoi(filepath.Base(name))
			require.NoError(t, err)
			require.NoError(t, syscall.Dup2(int(full.Fd()), fd))
			found = true
		}
	}
	require.True(t, found)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	return func() { require.NoError(t, os.Remove(dir)) }
}

func TestADiskThatFailsIsNoPromise(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		dir := filepath.Join(t.TempDir(), "store")
		broker, events := startKeeping(t, config.MQTTBroker{}, dir)
		absent(t, broker, events, version)
		resumed := dialScript(t, broker.Addr(), version, "sub")
		receipt := make(chan error, 1)
		mend := failDisk(t, dir)
		s := dialScript(t, broker.Addr(), version, "new")
		require.Equal(t, map[byte]byte{version3: 3, version5: 0x88}[version], s.connack.ReasonCode)
		s.isClosed()
		require.Equal(t, []byte{map[byte]byte{version3: 0x80, version5: 0x97}[version]}, resumed.subscribe(2, "more", 1))
		_, subscribed := clientOf(t, broker, "sub").State.Subscriptions.Get("more")
		require.False(t, subscribed)

		// What is in memory goes on.
		publishAll(t, broker, events, 0, 1, always(1))
		resumed.acknowledge(packets.Puback, resumed.receiveMessage("0").PacketID)
		resumed.close()
		publishAll(t, broker, events, 1, 3, always(2))
		broker.keeping.keeper.Synced(func(err error) { receipt <- err })
		require.Error(t, <-receipt)

		mend()
		healed := make(chan struct{})
		broker.keeping.keeper.SyncedAtLast(func() { close(healed) })
		<-healed
		require.False(t, dialScript(t, broker.Addr(), version, "new").connack.SessionPresent)
		broker, _ = restarted(t, broker)
		again := dialScript(t, broker.Addr(), version, "sub")
		again.receiveMessage("1")
		again.receiveMessage("2")
		again.receivesNothingMore()
	})
}

func clientOf(t *testing.T, broker *Broker, id string) *mqtt.Client {
	cl, found := broker.server.Clients.Get(id)
	require.True(t, found)
	return cl
}

func TestEveryMessageIsDecodedAsItWas(t *testing.T) {
	for _, message := range []keptMessage{
		{},
		{id: 1, sent: true, qos: 2, retain: true, version: 5, format: 1, hasFormat: true, interval: 1 << 31, created: 1 << 40, expiry: 1 << 41,
			topic: "a/b", origin: "client", contentType: "text/plain", responseTopic: "answer", correlation: []byte{0, 1},
			subscriptions: []int{1, 268_435_455}, user: []packets.UserProperty{{Key: "a", Val: "1"}, {}}, payload: []byte("payload")},
	} {
		reader := &recordReader{left: message.encodeQueued(1 << 60)[1:]}
		require.Equal(t, uint64(1<<60), reader.uvarint())
		decoded := decodeQueued(reader)
		require.False(t, reader.failed)
		if len(decoded.payload) == 0 {
			decoded.payload = nil
		}
		require.Equal(t, message, decoded)
		kept := message.packet()
		again := newKeptMessage(&kept)
		again.sent = message.sent
		require.Equal(t, message, again)
	}
}

func FuzzAnyFileIsRestored(f *testing.F) {
	session := sessionRecord{clientID: "c", version: 5, expires: true, expiry: 60, disconnected: time.Now().Unix()}
	message := keptMessage{id: 1, qos: 1, topic: "t", payload: []byte("x")}
	f.Add(session.encode(), encodeSubscription(1, &packets.Subscription{Filter: "t", Qos: 1}), message.encodeQueued(1))
	f.Add(session.encode(), encodePacketID(kindReleased, 1, 2), encodePacketID(kindReceived, 1, 2))
	f.Add(message.encodeRetained(), []byte{byte(kindRetained), 5}, []byte{})
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		dir := t.TempDir()
		keeper, _, err := persistence.Open(dir, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for _, value := range [][]byte{a, b, c} {
			keeper.Keep(nil, func() []byte { return slices.Concat(value) })
		}
		require.NoError(t, keeper.Close())
		broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", &recorder{}, slog.New(slog.DiscardHandler), WithFolder(dir))
		require.NoError(t, err)
		require.NoError(t, broker.Start())
		require.NoError(t, broker.Close())
	})
}

// BenchmarkPublishToAnAbsentSubscriber has a queue take messages of 400 bytes until it is full, over and over, and waits
// until the last of them is acknowledged.
func BenchmarkPublishToAnAbsentSubscriber(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("kept=%t", kept), func(b *testing.B) {
			dir := ""
			if kept {
				dir = b.TempDir()
			}
			broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", &deaf{}, slog.New(slog.DiscardHandler), WithFolder(dir))
			require.NoError(b, err)
			require.NoError(b, broker.Start())
			t := &testing.T{}
			publisher := dialScript(t, broker.Addr(), version5, "pub", clean)
			payload := string(make([]byte, 400))
			published := 0
			for b.Loop() {
				b.StopTimer()
				s := dialScript(t, broker.Addr(), version5, "sub", clean)
				s.subscribe(1, "t", 1)
				s.disconnect(0)
				s.isClosed()
				b.StartTimer()
				for i := range 1000 {
					publisher.publish("t", payload, 1, uint16(i+1))
				}
				for range 1000 {
					publisher.receive(packets.Puback)
				}
				published += 1000
			}
			b.ReportMetric(float64(published)/b.Elapsed().Seconds(), "publishes/s")
			require.NoError(b, broker.Close())
		})
	}
}

// deaf is a Notifier that wants nothing.
type deaf struct{ recorder }

func (*deaf) Wants(messages.Type, string) bool { return false }
