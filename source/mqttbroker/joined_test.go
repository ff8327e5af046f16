package mqttbroker

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// startWithholding starts a broker that keeps what it has in the folder.
func startWithholding(t *testing.T, dir string) (*Broker, *withholding) {
	events := newWithholding()
	broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0"}, "node-1", events, slog.New(slog.DiscardHandler), WithFolder(dir))
	require.NoError(t, err)
	require.NoError(t, broker.Start())
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	return broker, events
}

func TestAcknowledgementWaitsForTheReceiptAndForTheDisk(t *testing.T) {
	forEach(t, func(t *testing.T, version, qos byte) {
		for name, late := range map[string]bool{"the receipt is first": false, "the disk is first": true} {
			t.Run(name, func(t *testing.T) {
				broker, events := startWithholding(t, t.TempDir())
				absent(t, broker, &events.recorder, version)
				s := dialScript(t, broker.Addr(), version, "pub")
				s.publish("t", "x", qos, 7)
				receipt := events.next(t)
				if late {
					s.receivesNothingMore()
					synced(t, broker)
					found := records(t, folderNow(t, broker))
					require.Zero(t, found[kindReceived], "the event is not safe")
					require.Equal(t, qos == 1, found[kindMessage] == 1)
				}
				receipt(nil)
				s.receiveAck(qos, 7, 0)
				found := records(t, folderNow(t, broker))
				require.Equal(t, 1, found[kindMessage])
				require.Equal(t, int(qos-1), found[kindReceived])
			})
		}
	})
}

func TestNoAcknowledgementWhereTheDiskOrTheEventFails(t *testing.T) {
	forEach(t, func(t *testing.T, version, qos byte) {
		for name, disk := range map[string]bool{"the disk": true, "the event": false} {
			t.Run(name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "store")
				broker, events := startWithholding(t, dir)
				absent(t, broker, &events.recorder, version)
				s := dialScript(t, broker.Addr(), version, "pub")
				mend := func() {}
				var refusal error
				if disk {
					mend = failDisk(t, dir)
				} else {
					refusal = messages.ErrUnavailable
				}
				s.publish("t", "x", qos, 7)
				events.next(t)(refusal)
				if version == version5 {
					s.receiveAck(qos, 7, packets.ErrQuotaExceeded.Code)
				} else {
					s.isClosed()
				}
				mend()
				healed := make(chan struct{})
				broker.keeping.keeper.SyncedAtLast(func() { close(healed) })
				<-healed
				require.Zero(t, records(t, folderNow(t, broker))[kindReceived])
				if version == version3 {
					s = dialScript(t, broker.Addr(), version, "pub")
				}
				s.publishAgain("t", "x", qos, 7)
				events.next(t)(nil)
				s.receiveAck(qos, 7, 0)
			})
		}
	})
}

func TestRepetitionAfterACrashIsOneOnlyWhereTheEventWasSafe(t *testing.T) {
	inBothVersions(t, func(t *testing.T, version byte) {
		broker, events := startWithholding(t, t.TempDir())
		absent(t, broker, &events.recorder, version)
		s := dialScript(t, broker.Addr(), version, "pub")
		s.publish("t", "safe", 2, 7)
		events.next(t)(nil)
		s.receiveAck(2, 7, 0)
		s.publish("t", "unsafe", 2, 8)
		late := events.next(t)
		synced(t, broker)

		broker, again := startWithholding(t, folderNow(t, broker))
		s = dialScript(t, broker.Addr(), version, "pub")
		require.True(t, s.connack.SessionPresent)
		s.publishAgain("t", "safe", 2, 7)
		s.receiveAck(2, 7, 0)
		again.hasNoMore(t)
		s.publishAgain("t", "unsafe", 2, 8)
		receipt := again.next(t)
		s.receivesNothingMore()
		receipt(nil)
		s.receiveAck(2, 8, 0)
		late(nil)
		sub := dialScript(t, broker.Addr(), version, "sub")
		sub.receiveMessage("safe")
		sub.receiveMessage("unsafe")
		sub.receivesNothingMore()
	})
}

func TestPacketIDThatTheClientGivesUpStandsForNothing(t *testing.T) {
	broker, events := startWithholding(t, t.TempDir())
	absent(t, broker, &events.recorder, version5)
	s := dialScript(t, broker.Addr(), version5, "pub")
	s.publish("t", "x", 2, 7)
	events.next(t)(nil)
	s.receiveAck(2, 7, 0)
	s.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: 7, ReasonCode: packets.ErrUnspecifiedError.Code,
	})
	s.publish("t", "y", 2, 7)
	receipt := events.next(t)
	s.receivesNothingMore()
	require.Eventually(t, func() bool {
		synced(t, broker)
		return records(t, folderNow(t, broker))[kindReceived] == 0
	}, patience, time.Millisecond)
	receipt(nil)
	s.receiveAck(2, 7, 0)
}
