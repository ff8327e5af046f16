package mqttbroker

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// absent makes a session that is subscribed to "t" with QoS 2 and whose client is gone.
func absent(t *testing.T, broker *Broker, events *recorder, version byte) {
	s := dialScript(t, broker.Addr(), version, "sub")
	s.subscribe(1, "t", 2)
	ended := len(events.of(messages.TypeClientDisconnected))
	s.close()
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) > ended }, patience, time.Millisecond)
}

// publishAll publishes numbers to "t", each with the QoS, and waits until the sessions have them.
func publishAll(t *testing.T, broker *Broker, events *recorder, from, to int, qos func(i int) byte) {
	publisher := dialMQTT5(t, broker.Addr(), login{id: fmt.Sprintf("pub-%d", from)})
	published := len(events.of(messages.TypeMessagePublished))
	for i := from; i < to; i++ {
		publisher.publish("t", qos(i), false, strconv.Itoa(i))
	}
	require.Eventually(t, func() bool {
		return len(events.of(messages.TypeMessagePublished)) == published+to-from
	}, patience, time.Millisecond)
}

func always(qos byte) func(int) byte { return func(int) byte { return qos } }

func TestSubscribeIsGrantedUnderAnIDThatTheBrokerUses(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 3, always(1))
		s := dialScript(t, broker.Addr(), version, "sub")
		require.True(t, s.connack.SessionPresent)
		for i := range 3 {
			s.receiveMessage(strconv.Itoa(i)) // not acknowledged
		}
		for id := range uint16(4) {
			require.Equal(t, []byte{1}, s.subscribe(id+1, "other", 1))
			require.NotContains(t, s.unsubscribe(id+1, "other").ReasonCodes, packets.ErrPacketIdentifierInUse.Code)
		}
		require.Empty(t, events.of(messages.TypeAuthzSubscribeDenied))
	})
}

func TestMessageWhoseIDTheClientUsesItselfIsSentAgain(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		for qos := byte(1); qos <= 2; qos++ {
			broker, events := startBroker(t, config.MQTTBroker{})
			absent(t, broker, events, version)
			publishAll(t, broker, events, 0, 1, always(qos))
			s := dialScript(t, broker.Addr(), version, "sub")
			id := s.receiveMessage("0").PacketID
			s.publish("mine", "x", qos, id)
			acknowledgement := s.receive(map[byte]byte{1: packets.Puback, 2: packets.Pubrec}[qos])
			require.Equal(t, id, acknowledgement.PacketID)
			if qos == 2 {
				s.acknowledge(packets.Pubrel, id)
				require.Equal(t, id, s.receive(packets.Pubcomp).PacketID)
			}
			s.close()
			s = dialScript(t, broker.Addr(), version, "sub")
			again := s.receiveMessage("0")
			require.True(t, again.FixedHeader.Dup)
			require.Equal(t, id, again.PacketID)
		}
	})
}

func TestBothDirectionsGoThroughQoS2UnderOneID(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 1, always(2))
		s := dialScript(t, broker.Addr(), version, "sub")
		id := s.receiveMessage("0").PacketID
		s.publish("mine", "x", 2, id)
		s.receive(packets.Pubrec)
		s.acknowledge(packets.Pubrec, id)
		require.Equal(t, id, s.receive(packets.Pubrel).PacketID)
		s.acknowledge(packets.Pubrel, id)
		require.Equal(t, id, s.receive(packets.Pubcomp).PacketID)
		s.acknowledge(packets.Pubcomp, id)
		s.receivesNothingMore()
		s.close()
		s = dialScript(t, broker.Addr(), version, "sub")
		s.receivesNothingMore()
		events.await(t, &messages.MessagePublished{ClientID: "sub", Topic: "mine", QoS: 2, PayloadSize: 1, Payload: []byte("x")},
			&messages.MessagePublished{ClientID: "pub-0", Topic: "t", QoS: 2, PayloadSize: 1, Payload: []byte("0")})
	})
}

func TestQueuedMessagesComeBackInTheirOrder(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		const first, all = 20, 220
		mixed := func(i int) byte { return 1 + byte(i%2) }
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, first, mixed)
		s := dialScript(t, broker.Addr(), version, "sub")
		for i := range first {
			s.receiveMessage(strconv.Itoa(i)) // is in flight from here on
		}
		s.close()
		require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) >= 2 }, patience, time.Millisecond)
		publishAll(t, broker, events, first, all, mixed)
		s = dialScript(t, broker.Addr(), version, "sub")
		for i := range all {
			pk := s.receiveMessage(strconv.Itoa(i))
			require.Equal(t, i < first, pk.FixedHeader.Dup)
		}
		require.Len(t, events.of(messages.TypeMessageDelivered), all)
	})
}

func TestRealClientGetsWhatWasQueuedInItsOrder(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		const all = 90
		broker, events := startBroker(t, config.MQTTBroker{})
		subscriber := dial(t, broker.Addr(), login{id: "sub", resume: true})
		subscriber.subscribe(0, map[string]byte{"t": 2})
		subscriber.disconnect()
		require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
		publishAll(t, broker, events, 0, all, func(i int) byte { return 1 + byte(i%2) })
		subscriber = dial(t, broker.Addr(), login{id: "sub", resume: true})
		for i := range all {
			subscriber.awaitMessage(t, strconv.Itoa(i))
		}
		subscriber.subscribe(0, map[string]byte{"another": 1})
		require.Empty(t, events.of(messages.TypeAuthzSubscribeDenied))
		client, ok := broker.server.Clients.Get("sub")
		require.True(t, ok)
		require.Eventually(t, func() bool { return client.State.Inflight.Len() == 0 }, patience, time.Millisecond)
	})
}

func TestReleaseIsSentAgainInPlaceOfItsMessage(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 3, always(2))
		s := dialScript(t, broker.Addr(), version, "sub")
		var ids []uint16
		for i := range 3 {
			ids = append(ids, s.receiveMessage(strconv.Itoa(i)).PacketID)
		}
		s.acknowledge(packets.Pubrec, ids[1])
		s.receive(packets.Pubrel)
		s.close()
		s = dialScript(t, broker.Addr(), version, "sub")
		s.receiveMessage("0")
		require.Equal(t, ids[1], s.receive(packets.Pubrel).PacketID)
		s.receiveMessage("2")
		s.acknowledge(packets.Pubcomp, ids[1])
		s.receivesNothingMore()
	})
}

func TestReceiveMaximumBoundsWhatIsUnderWay(t *testing.T) {
	for name, resumed := range map[string]bool{"new messages": false, "queued messages": true} {
		t.Run(name, func(t *testing.T) {
			broker, events := startBroker(t, config.MQTTBroker{})
			absent(t, broker, events, version5)
			var s *script
			if !resumed {
				s = dialScript(t, broker.Addr(), version5, "sub", receiveMaximum(2))
			}
			publishAll(t, broker, events, 0, 6, func(i int) byte { return 1 + byte(i%2) })
			if resumed {
				s = dialScript(t, broker.Addr(), version5, "sub", receiveMaximum(2))
			}
			first, second := s.receiveMessage("0").PacketID, s.receiveMessage("1").PacketID
			s.receivesNothingMore()
			s.acknowledge(packets.Puback, first)
			third := s.receiveMessage("2").PacketID
			s.acknowledge(packets.Pubrec, second) // frees nothing yet
			s.receive(packets.Pubrel)
			s.receivesNothingMore()
			s.acknowledge(packets.Pubcomp, second)
			fourth := s.receiveMessage("3").PacketID
			s.acknowledge(packets.Puback, third)
			s.receiveMessage("4")
			s.send(packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Pubrec}, PacketID: fourth, ReasonCode: packets.ErrQuotaExceeded.Code,
			})
			s.receiveMessage("5")
			s.receivesNothingMore()
		})
	}
}

func TestAcknowledgementOfNothingTouchesNothing(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		s := dialScript(t, broker.Addr(), version, "c", clean)
		s.publish("t", "x", 2, 7)
		s.receive(packets.Pubrec)
		for id := uint16(1); id != 0; id++ { // one of them stands for the 7 in the broker
			s.acknowledge(packets.Puback, id)
		}
		s.publish("t", "x", 2, 7)
		s.receive(packets.Pubrec)
		s.acknowledge(packets.Pubrec, 9)
		require.EqualValues(t, 9, s.receive(packets.Pubrel).PacketID)
		s.acknowledge(packets.Pubrel, 8)
		require.EqualValues(t, 8, s.receive(packets.Pubcomp).PacketID)
		s.acknowledge(packets.Pubrel, 7)
		require.EqualValues(t, 7, s.receive(packets.Pubcomp).PacketID)
		require.Len(t, events.of(messages.TypeMessagePublished), 1)
	})
}

func TestRepeatedQoS2PublishIsAcknowledgedAgainAndToldOnce(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		s := dialScript(t, broker.Addr(), version, "c")
		repeat := func() {
			s.send(packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2, Dup: true},
				TopicName:   "t", PacketID: 7, Payload: []byte("x"),
			})
			pubrec := s.receive(packets.Pubrec)
			require.EqualValues(t, 7, pubrec.PacketID)
			require.Equal(t, packets.CodeSuccess.Code, pubrec.ReasonCode)
			require.Empty(t, pubrec.Properties.ReasonString)
		}
		repeat()
		repeat()
		s.close()
		s = dialScript(t, broker.Addr(), version, "c")
		repeat()
		s.acknowledge(packets.Pubrel, 7)
		s.receive(packets.Pubcomp)
		require.Len(t, events.of(messages.TypeMessagePublished), 1)
		repeat() // is a new message now
		require.Eventually(t, func() bool { return len(events.of(messages.TypeMessagePublished)) == 2 }, patience, time.Millisecond)
	})
}

func TestClientThatExceedsTheReceiveMaximumIsDisconnected(t *testing.T) {
	broker, _ := startBroker(t, config.MQTTBroker{})
	s := dialScript(t, broker.Addr(), version5, "c")
	maximum := s.connack.Properties.ReceiveMaximum
	for id := uint16(1); id <= maximum; id++ {
		s.publish("t", "x", 2, id)
		s.receive(packets.Pubrec)
	}
	s.close()
	s = dialScript(t, broker.Addr(), version5, "c")
	s.publish("t", "x", 2, 1) // is one of them
	s.receive(packets.Pubrec)
	s.publish("t", "x", 2, maximum+1)
	require.Equal(t, packets.ErrReceiveMaximum.Code, s.receive(packets.Disconnect).ReasonCode)
	s.isClosed()
}

func TestNothingIsLostOrShuffledWhileAClientComesBackAgainAndAgain(t *testing.T) {
	const all = 1000
	broker, events := startBroker(t, config.MQTTBroker{})
	absent(t, broker, events, version5)
	ahead := make(chan struct{}, 100) // far below what the session may hold
	given := make(chan struct{})      // up
	var publishing sync.WaitGroup
	publishing.Go(func() {
		publisher := dialScript(t, broker.Addr(), version3, "pub", clean)
		for i := range all {
			select {
			case ahead <- struct{}{}:
			case <-given:
				return
			}
			publisher.publish("t", strconv.Itoa(i), 1, uint16(1+i%1000))
			publisher.receive(packets.Puback)
		}
	})
	defer publishing.Wait()
	defer close(given)
	next, repeated := 0, 0
	for connections := 0; next < all; connections++ {
		require.Less(t, connections, 10*all)
		s := dialScript(t, broker.Addr(), version5, "sub")
		for range 10 {
			pk, err := s.next(time.Second)
			if err != nil {
				break
			}
			number, err := strconv.Atoi(string(pk.Payload))
			require.NoError(t, err)
			if number < next {
				repeated++
				require.True(t, pk.FixedHeader.Dup)
			} else {
				require.Equal(t, next, number)
				next++
				<-ahead
			}
			s.acknowledge(packets.Puback, pk.PacketID)
		}
		s.close()
	}
	t.Logf("%d messages came twice", repeated)
}

func TestExpiredMessageIsNotSent(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	absent(t, broker, events, version5)
	publisher := dialScript(t, broker.Addr(), version5, "pub", clean)
	for i, expiry := range []uint32{1, 60, 0} {
		publisher.send(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: "t", PacketID: uint16(i + 1),
			Payload:    []byte(strconv.Itoa(i)),
			Properties: packets.Properties{MessageExpiryInterval: expiry},
		})
		publisher.receive(packets.Puback)
	}
	require.Eventually(t, func() bool { return broker.sessions.find("sub").outbox.waits() == 2 }, patience, 10*time.Millisecond)
	s := dialScript(t, broker.Addr(), version5, "sub")
	left := s.receiveMessage("1").Properties.MessageExpiryInterval
	require.Greater(t, left, uint32(0))
	require.Less(t, left, uint32(60))
	require.Zero(t, s.receiveMessage("2").Properties.MessageExpiryInterval)
	s.receivesNothingMore()
}

func (o *outbox) waits() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting)
}

func TestEndedSessionIsForgotten(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startBroker(t, config.MQTTBroker{})
		absent(t, broker, events, version)
		publishAll(t, broker, events, 0, 3, always(1))
		s := dialScript(t, broker.Addr(), version, "sub", clean, func(connect *packets.Packet) {
			connect.Properties.SessionExpiryIntervalFlag = false
		})
		require.False(t, s.connack.SessionPresent)
		s.receivesNothingMore()
		require.Zero(t, broker.sessions.find("sub").outbox.waits())
		s.disconnect(0)
		require.Eventually(t, func() bool { return broker.sessions.find("sub") == nil }, patience, time.Millisecond)
		require.Eventually(t, func() bool {
			broker.hook.deliveries.mu.Lock()
			defer broker.hook.deliveries.mu.Unlock()
			_, known := broker.hook.deliveries.sessions["sub"]
			return !known && broker.hook.latest.get("sub") == nil
		}, patience, time.Millisecond)
		require.Eventually(t, func() bool {
			broker.sessions.turns.mu.Lock()
			defer broker.sessions.turns.mu.Unlock()
			return len(broker.sessions.turns.taken) == 0
		}, patience, time.Millisecond)
	})
}
