package mqttbroker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// withholding is a Notifier whose receipts the test gives. What is published below "unwanted/" it does not want.
type withholding struct {
	recorder
	err      error // of NotifyReceipt
	receipts chan func(error)
}

func newWithholding() *withholding {
	return &withholding{receipts: make(chan func(error), 2*maxUnacknowledged)}
}

func (w *withholding) NotifyReceipt(receipt func(error), envelopes ...*messages.Envelope) error {
	if w.err != nil {
		return w.err
	}
	if err := w.keep(envelopes); err != nil {
		return err
	}
	w.receipts <- receipt
	return nil
}

func (*withholding) Wants(_ messages.Type, topic string) bool {
	return !strings.HasPrefix(topic, "unwanted/")
}

// next is the receipt of the next message that was handed over.
func (w *withholding) next(t *testing.T) func(error) {
	t.Helper()
	select {
	case receipt := <-w.receipts:
		return receipt
	case <-time.After(patience):
		require.FailNow(t, "no message was handed over")
		return nil
	}
}

func (w *withholding) hasNoMore(t *testing.T) {
	t.Helper()
	require.Empty(t, w.receipts)
}

func (s *script) publishAgain(topic, payload string, qos byte, id uint16) {
	s.t.Helper()
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos, Dup: true},
		TopicName:   topic, PacketID: id, Payload: []byte(payload),
	})
}

// ackOf is the type of the acknowledgement of a publish.
func ackOf(qos byte) byte { return map[byte]byte{1: packets.Puback, 2: packets.Pubrec}[qos] }

func (s *script) receiveAck(qos byte, id uint16, reason byte) {
	s.t.Helper()
	ack := s.receive(ackOf(qos))
	require.Equal(s.t, []any{id, reason}, []any{ack.PacketID, ack.ReasonCode})
}

// forEach runs a test for both versions and for QoS 1 and 2.
func forEach(t *testing.T, test func(t *testing.T, version, qos byte)) {
	inBothVersions(t, func(t *testing.T, version byte) {
		for _, qos := range []byte{1, 2} {
			t.Run(fmt.Sprintf("qos%d", qos), func(t *testing.T) { test(t, version, qos) })
		}
	})
}

func requireNothingHeld(t *testing.T, broker *Broker) {
	t.Helper()
	require.Eventually(t, func() bool { return broker.bounds.acknowledgements.used.Load() == 0 }, patience, time.Millisecond)
}

func TestAcknowledgementWaitsForTheReceiptAndNothingElseDoes(t *testing.T) {
	forEach(t, func(t *testing.T, version, qos byte) {
		events := newWithholding()
		broker := startBrokerFor(t, config.MQTTBroker{}, events)
		subscriber := dialScript(t, broker.Addr(), version, "sub", clean)
		subscriber.subscribe(1, "t", 0)
		s := dialScript(t, broker.Addr(), version, "c", clean)
		s.publish("t", "x", qos, 7)
		receipt := events.next(t)
		subscriber.receiveMessage("x")
		s.receivesNothingMore()
		s.subscribe(8, "u", 0)
		subscriber.publish("u", "y", 0, 0)
		s.receiveMessage("y")
		s.publish("t", "z", 0, 0)
		subscriber.receiveMessage("z")
		receipt(nil)
		s.receiveAck(qos, 7, 0)
		if qos == 2 {
			s.acknowledge(packets.Pubrel, 7)
			require.EqualValues(t, 7, s.receive(packets.Pubcomp).PacketID)
		}
		requireNothingHeld(t, broker)
	})
}

func TestAcknowledgementsLeaveInTheOrderOfThePublishes(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		events := newWithholding()
		broker := startBrokerFor(t, config.MQTTBroker{}, events)
		s := dialScript(t, broker.Addr(), version, "c", clean)
		qos := []byte{1, 2, 1, 2, 2, 1}
		var receipts []func(error)
		for i, q := range qos {
			s.publish("t", "x", q, uint16(i+1))
			receipts = append(receipts, events.next(t))
		}
		for _, i := range []int{5, 2, 4, 1, 3} {
			receipts[i](nil)
		}
		s.receivesNothingMore()
		receipts[0](nil)
		for i, q := range qos {
			s.receiveAck(q, uint16(i+1), 0)
		}
	})
}

func TestWhatNeedsNoReceiptIsAcknowledgedInItsTurn(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{ACL: []config.ACLRule{{Publish: []string{"t", "unwanted/#"}}}}, events)
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	others := func() {
		s.publish("unwanted/t", "x", 1, 2)
		s.publish("unwanted/t", "x", 2, 3)
		s.publish("denied", "x", 1, 4)
		s.publish("denied", "x", 2, 5)
		s.publish("$SYS/t", "x", 1, 6)
	}
	acknowledged := func() {
		s.receiveAck(1, 2, 0)
		s.receiveAck(2, 3, 0)
		s.receiveAck(1, 4, packets.ErrNotAuthorized.Code)
		s.receiveAck(2, 5, packets.ErrNotAuthorized.Code)
		s.receiveAck(1, 6, packets.ErrTopicNameInvalid.Code)
	}
	others()
	acknowledged()
	s.acknowledge(packets.Pubrel, 3)
	s.receive(packets.Pubcomp)
	s.publish("t", "x", 1, 1)
	receipt := events.next(t)
	others()
	s.receivesNothingMore()
	receipt(nil)
	s.receiveAck(1, 1, 0)
	acknowledged()
	events.hasNoMore(t)
}

func TestClientThatPublishesTooMuchHasToWait(t *testing.T) {
	for name, test := range map[string]struct{ messages, bytes int }{
		"bytes":    {2, maxUnacknowledgedBytes * 2 / 5},
		"messages": {maxUnacknowledged, 1},
	} {
		t.Run(name, func(t *testing.T) {
			events := newWithholding()
			broker := startBrokerFor(t, config.MQTTBroker{}, events)
			s := dialScript(t, broker.Addr(), version5, "c", clean)
			payload := strings.Repeat("x", test.bytes)
			var receipts []func(error)
			for i := range test.messages {
				s.publish("t", payload, 1, uint16(i+1))
				receipts = append(receipts, events.next(t))
			}
			s.receivesNothingMore()
			written := make(chan struct{})
			go func() {
				defer close(written)
				s.publish("t", payload, 1, uint16(test.messages+1))
				s.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
			}()
			_, err := s.next(50 * time.Millisecond)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			events.hasNoMore(t)
			receipts[0](nil)
			s.receiveAck(1, 1, 0)
			s.receive(packets.Pingresp)
			<-written
			events.next(t)
		})
	}
}

func TestWhereNoRoomIsLeftForAcknowledgementsEachClientHasOne(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	broker.bounds.acknowledgements.limit = heldAckBytes
	first := dialScript(t, broker.Addr(), version5, "1", clean)
	second := dialScript(t, broker.Addr(), version5, "2", clean)
	first.publish("t", "x", 1, 1)
	receipt := events.next(t)
	second.publish("t", "x", 1, 1)
	events.next(t)
	first.publish("t", "x", 1, 2)
	_, err := first.next(50 * time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	events.hasNoMore(t)
	receipt(nil)
	first.receiveAck(1, 1, 0)
	events.next(t)
}

func TestReceiptThatSaysNoReachesTheClient(t *testing.T) {
	for name, err := range map[string]error{
		"full":        messages.ErrQueueFull,
		"unavailable": fmt.Errorf("commit: %w", messages.ErrUnavailable),
		"unknown":     errors.New("broken"),
	} {
		for how, at := range map[string]bool{"later": false, "at once": true} {
			if at && name == "unknown" {
				continue
			}
			t.Run(name+" "+how, func(t *testing.T) {
				forEach(t, func(t *testing.T, version, qos byte) { testRefusedReceipt(t, version, qos, err, at) })
			})
		}
	}
}

func testRefusedReceipt(t *testing.T, version, qos byte, err error, atOnce bool) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version, "c")
	refuse := func() {
		if !atOnce {
			s.publish("t", "x", qos, 7)
			events.next(t)(err)
			return
		}
		events.err = err
		s.publish("t", "x", qos, 7)
	}
	refuse()
	if version == version5 {
		s.receiveAck(qos, 7, packets.ErrQuotaExceeded.Code)
	} else {
		s.isClosed()
		require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
		require.Equal(t, messages.ReasonError, events.of(messages.TypeClientDisconnected)[0].(*messages.ClientDisconnected).Reason)
		s = dialScript(t, broker.Addr(), version, "c")
	}
	events.err = nil
	if version == version3 {
		s.publishAgain("t", "x", qos, 7)
	} else {
		s.publish("t", "x", qos, 7)
	}
	receipt := events.next(t)
	s.receivesNothingMore()
	receipt(nil)
	s.receiveAck(qos, 7, 0)
	if qos == 2 {
		s.acknowledge(packets.Pubrel, 7)
		pubcomp := s.receive(packets.Pubcomp)
		require.Equal(t, []any{uint16(7), byte(0)}, []any{pubcomp.PacketID, pubcomp.ReasonCode})
	}
	s.receivesNothingMore()
	client, ok := broker.server.Clients.Get("c")
	require.True(t, ok)
	require.Zero(t, client.State.Inflight.Len())
	require.Zero(t, broker.bounds.queues.used.Load())
	requireNothingHeld(t, broker)
}

func TestRefusedMessagesOfQoS2LeaveRoomForOthers(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	for i := range maxUnacknowledged + 1 {
		s.publish("t", "x", 2, uint16(i+1))
		events.next(t)(messages.ErrUnavailable)
		s.receiveAck(2, uint16(i+1), packets.ErrQuotaExceeded.Code)
	}
	s.receivesNothingMore()
	client, ok := broker.server.Clients.Get("c")
	require.True(t, ok)
	require.Zero(t, client.State.Inflight.Len())
	require.Zero(t, broker.bounds.queues.used.Load())
	require.Zero(t, broker.server.Info.Inflight)
}

func TestMQTT3GetsTheAcknowledgementsBeforeTheOneThatItCanNotGet(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version3, "c")
	var receipts []func(error)
	for id := range uint16(3) {
		s.publish("t", "x", 1, id+1)
		receipts = append(receipts, events.next(t))
	}
	receipts[2](nil)
	receipts[1](messages.ErrUnavailable)
	s.receivesNothingMore()
	receipts[0](nil)
	s.receiveAck(1, 1, 0)
	s.isClosed()
	requireNothingHeld(t, broker)
}

func TestEventThatIsNeverTakenDoesNotComeAgain(t *testing.T) {
	forEach(t, func(t *testing.T, version, qos byte) {
		events := newWithholding()
		events.err = messages.ErrTooLarge
		broker := startBrokerFor(t, config.MQTTBroker{}, events)
		s := dialScript(t, broker.Addr(), version, "c", clean)
		s.publish("t", "x", qos, 7)
		s.receiveAck(qos, 7, map[byte]byte{version3: 0, version5: packets.ErrImplementationSpecificError.Code}[version])
		s.receivesNothingMore()
	})
}

func TestRepetitionOfQoS2IsAcknowledgedWithTheFirst(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		events := newWithholding()
		broker := startBrokerFor(t, config.MQTTBroker{}, events)
		s := dialScript(t, broker.Addr(), version, "c")
		s.publish("t", "x", 2, 7)
		receipt := events.next(t)
		s.publishAgain("t", "x", 2, 7)
		s.receivesNothingMore()
		receipt(nil)
		s.receiveAck(2, 7, 0)
		s.receiveAck(2, 7, 0)
		s.publishAgain("t", "x", 2, 7)
		s.receiveAck(2, 7, 0)
		events.hasNoMore(t)
	})
}

func TestRepetitionOfQoS1IsAnEventOfItsOwn(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		events := newWithholding()
		broker := startBrokerFor(t, config.MQTTBroker{}, events)
		s := dialScript(t, broker.Addr(), version, "c")
		s.publish("t", "x", 1, 7)
		first := events.next(t)
		s.publishAgain("t", "x", 1, 7)
		second := events.next(t)
		first(nil)
		s.receiveAck(1, 7, 0)
		s.receivesNothingMore()
		second(nil)
		s.receiveAck(1, 7, 0)
	})
}

// TestReceiptOfAnEarlierConnection breaks a connection while an acknowledgement is held, or has another one take it over.
func TestReceiptOfAnEarlierConnection(t *testing.T) {
	for how, breaks := range map[string]bool{"breaks": true, "taken over": false} {
		reconnect := func(t *testing.T, broker *Broker, events *withholding, s *script) *script {
			if breaks {
				s.close()
				require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
			}
			return dialScript(t, broker.Addr(), s.version, "c")
		}
		t.Run(how, func(t *testing.T) {
			t.Run("acknowledges nothing of QoS 1", func(t *testing.T) {
				inBothVersions(t, func(t *testing.T, version byte) {
					events := newWithholding()
					broker := startBrokerFor(t, config.MQTTBroker{}, events)
					s := dialScript(t, broker.Addr(), version, "c")
					s.publish("t", "x", 1, 7)
					first := events.next(t)
					s = reconnect(t, broker, events, s)
					requireNothingHeld(t, broker)
					s.publishAgain("t", "x", 1, 7)
					second := events.next(t)
					first(nil)
					s.receivesNothingMore()
					second(nil)
					s.receiveAck(1, 7, 0)
					requireNothingHeld(t, broker)
				})
			})
			t.Run("is that of its message of QoS 2", func(t *testing.T) {
				inBothVersions(t, func(t *testing.T, version byte) {
					events := newWithholding()
					broker := startBrokerFor(t, config.MQTTBroker{}, events)
					s := dialScript(t, broker.Addr(), version, "c")
					s.publish("t", "x", 2, 7)
					receipt := events.next(t)
					s = reconnect(t, broker, events, s)
					s.publishAgain("t", "x", 2, 7)
					s.receivesNothingMore()
					events.hasNoMore(t)
					receipt(nil)
					s.receiveAck(2, 7, 0)
					s.acknowledge(packets.Pubrel, 7)
					s.receive(packets.Pubcomp)
				})
			})
			t.Run("that says no before the repetition", func(t *testing.T) {
				inBothVersions(t, func(t *testing.T, version byte) {
					events := newWithholding()
					broker := startBrokerFor(t, config.MQTTBroker{}, events)
					s := dialScript(t, broker.Addr(), version, "c")
					s.publish("t", "x", 2, 7)
					receipt := events.next(t)
					if breaks {
						s.close()
						requireNothingHeld(t, broker)
						receipt(messages.ErrUnavailable)
						s = dialScript(t, broker.Addr(), version, "c")
					} else {
						s = dialScript(t, broker.Addr(), version, "c")
						receipt(messages.ErrUnavailable)
					}
					s.publishAgain("t", "x", 2, 7)
					receipt = events.next(t)
					s.receivesNothingMore()
					receipt(nil)
					s.receiveAck(2, 7, 0)
					client, _ := broker.server.Clients.Get("c")
					require.Equal(t, 1, client.State.Inflight.Len())
					require.EqualValues(t, messageBytes, broker.bounds.queues.used.Load())
				})
			})
			t.Run("that says no after the repetition", func(t *testing.T) {
				inBothVersions(t, func(t *testing.T, version byte) {
					events := newWithholding()
					broker := startBrokerFor(t, config.MQTTBroker{}, events)
					s := dialScript(t, broker.Addr(), version, "c")
					s.publish("t", "x", 2, 7)
					receipt := events.next(t)
					s = reconnect(t, broker, events, s)
					s.publishAgain("t", "x", 2, 7)
					s.receivesNothingMore()
					receipt(messages.ErrUnavailable)
					if version == version5 {
						s.receiveAck(2, 7, packets.ErrQuotaExceeded.Code)
					} else {
						s.isClosed()
						s = dialScript(t, broker.Addr(), version, "c")
					}
					s.publishAgain("t", "x", 2, 7)
					events.next(t)(nil)
					s.receiveAck(2, 7, 0)
				})
			})
		})
	}
}

// breaking ends the connection of a client when mochi has taken note of its first PUBLISH with QoS 2, and has neither
// acknowledged nor published it.
type breaking struct {
	mqtt.HookBase
	once sync.Once
}

func (*breaking) ID() string { return "breaking" }

func (*breaking) Provides(callback byte) bool { return callback == mqtt.OnQosPublish }

func (b *breaking) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type == packets.Pubrec {
		b.once.Do(func() { cl.Stop(packets.ErrUnspecifiedError) })
	}
}

func TestMessageOfQoS2ThatWasBrokenOffIsTakenWhenItComesAgain(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		events := newWithholding()
		broker := startBrokerFor(t, config.MQTTBroker{}, events, &breaking{})
		s := dialScript(t, broker.Addr(), version, "c")
		s.publish("t", "x", 2, 7)
		s.isClosed()
		ended := func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }
		require.Eventually(t, ended, patience, time.Millisecond) // a repetition before that is refused, or closed without a word
		s = dialScript(t, broker.Addr(), version, "c")
		s.publishAgain("t", "x", 2, 7)
		receipt := events.next(t)
		s.receivesNothingMore()
		receipt(nil)
		s.receiveAck(2, 7, 0)
	})
}

func TestCloseSendsTheAcknowledgementsWhoseReceiptsComeMeanwhile(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	s.publish("t", "x", 1, 1)
	s.publish("t", "x", 2, 2)
	first, second := events.next(t), events.next(t)
	closed := make(chan error, 1)
	go func() { closed <- broker.Close() }()
	client, _ := broker.server.Clients.Get("c")
	require.Eventually(t, func() bool {
		acks := connOf(client).acks
		acks.mu.Lock()
		defer acks.mu.Unlock()
		return acks.stopped
	}, patience, time.Millisecond)
	s.publish("t", "late", 1, 3)
	_, err := s.next(50 * time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	events.hasNoMore(t)
	first(nil)
	s.receiveAck(1, 1, 0)
	second(nil)
	s.receiveAck(2, 2, 0)
	require.Equal(t, packets.ErrServerShuttingDown.Code, s.receive(packets.Disconnect).ReasonCode)
	s.isClosed()
	require.NoError(t, <-closed)
	events.hasNoMore(t)
}

func TestCloseDoesNotWaitForReceiptsForever(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version5, "c", clean)
	s.publish("t", "x", 1, 1)
	receipt := events.next(t)
	began := time.Now()
	require.NoError(t, broker.Close())
	require.Less(t, time.Since(began), receiptGrace+disconnectGrace)
	s.receive(packets.Disconnect)
	s.isClosed()
	receipt(nil)
	receipt(messages.ErrUnavailable)
	requireNothingHeld(t, broker)
}

func TestClientThatWaitsForReceiptsIsNotTakenForSilent(t *testing.T) {
	events := newWithholding()
	broker := startBrokerFor(t, config.MQTTBroker{}, events)
	s := dialScript(t, broker.Addr(), version3, "c", clean, func(connect *packets.Packet) { connect.Connect.Keepalive = 1 })
	payload := strings.Repeat("x", maxUnacknowledgedBytes*2/3)
	s.publish("t", payload, 1, 1)
	receipt := events.next(t)
	s.publish("t", payload, 1, 2)
	time.Sleep(1600 * time.Millisecond) // longer than one and a half keep alives (MQTT 3.1.1 §3.1.2.10)
	receipt(nil)
	s.receiveAck(1, 1, 0)
	events.next(t)(nil)
	s.receiveAck(1, 2, 0)
}

func TestRealClientsGetTheirAcknowledgements(t *testing.T) {
	const publishes = 60
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		for _, qos := range []byte{1, 2} {
			events := newWithholding()
			broker := startBrokerFor(t, config.MQTTBroker{}, events)
			c := dial(t, broker.Addr(), login{id: "c"})
			var publishing sync.WaitGroup
			for range publishes {
				publishing.Go(func() { c.publish("t", qos, false, "x") })
			}
			for given := 0; given < publishes; {
				batch := []func(error){events.next(t)}
				for len(events.receipts) > 0 {
					batch = append(batch, events.next(t))
				}
				given += len(batch)
				for i := range batch {
					batch[len(batch)-1-i](nil)
				}
			}
			publishing.Wait()
			require.Len(t, events.of(messages.TypeMessagePublished), publishes)
			requireNothingHeld(t, broker)
		}
	})
}
