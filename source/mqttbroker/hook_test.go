package mqttbroker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/hooks/storage"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// ledger allows the user "u" with the password "p", who may do everything but write below closed/.
var ledger = auth.Options{Ledger: &auth.Ledger{
	Auth: auth.AuthRules{{Username: "u", Password: "p", Allow: true}},
	ACL:  auth.ACLRules{{Filters: auth.Filters{"closed/#": auth.ReadOnly, "secret/#": auth.Deny}}},
}}

func TestHookSeesTheVerdictsOfAForeignBrokerInEitherOrder(t *testing.T) {
	for _, hookFirst := range []bool{true, false} {
		withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
			for qos := range byte(3) {
				events := &recorder{}
				ours := func(s *mqtt.Server) error {
					return s.AddHook(NewHook(events, "node-1", slog.New(slog.DiscardHandler)), nil)
				}
				theirs := func(s *mqtt.Server) error { return s.AddHook(new(auth.Hook), &ledger) }
				order := []func(*mqtt.Server) error{theirs, ours}
				if hookFirst {
					order = []func(*mqtt.Server) error{ours, theirs}
				}
				address := startForeign(t, order...)

				refused := dialRaw(t, address, connectPacket(5, 30)...)
				events.await(t, &messages.AuthFailure{
					ClientID: "raw", Reason: "bad username or password", RemoteAddr: refused.LocalAddr().String(),
				})
				c := dial(t, address, login{id: "c1", username: "u", password: "p"})
				events.await(t, &messages.AuthSuccess{ClientID: "c1", RemoteAddr: c.addr})
				c.subscribe(0, map[string]byte{"open": qos, "secret/x": qos})
				events.await(t, &messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "open", QoS: qos})
				events.await(t, &messages.AuthzSubscribeDenied{ClientID: "c1", TopicFilter: "secret/x", Reason: "not authorized"})
				c.publish("open", qos, false, "x")
				events.await(t, &messages.MessageDelivered{ClientID: "c1", Topic: "open", QoS: qos, PayloadSize: 1})
				c.publish("closed/x", qos, false, "x")
				events.await(t, &messages.AuthzPublishDenied{ClientID: "c1", Topic: "closed/x", Reason: "not authorized"})
				events.await(t, &messages.MessagePublished{ClientID: "c1", Topic: "open", QoS: qos, PayloadSize: 1, Payload: []byte("x")})
			}
		})
	}
}

// rejecter lets no publish through that access rules allowed.
type rejecter struct{ mqtt.HookBase }

func (*rejecter) ID() string           { return "rejecter" }
func (*rejecter) Provides(b byte) bool { return b == mqtt.OnPublish }
func (*rejecter) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	return pk, packets.ErrRejectPacket
}

func TestPublishThatIsAllowedAndThenRejectedIsNoDenial(t *testing.T) {
	events := &recorder{}
	address := startForeign(t,
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) },
		func(s *mqtt.Server) error { return s.AddHook(new(auth.AllowHook), nil) },
		func(s *mqtt.Server) error { return s.AddHook(new(rejecter), nil) })
	s := dialScript(t, address, version5, "c", clean)
	s.publish("t", "x", 0, 0)
	s.receivesNothingMore()
	require.Empty(t, events.of(messages.TypeAuthzPublishDenied))
	require.Empty(t, events.of(messages.TypeMessagePublished))
}

func TestRepeatedQoS2PublishIsNoDenial(t *testing.T) {
	events := &recorder{}
	address := startForeign(t,
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) },
		func(s *mqtt.Server) error { return s.AddHook(new(auth.AllowHook), nil) })
	publish := []byte{0x34, 6, 0, 1, 't', 0, 1, 'x'}
	repetition := []byte{0x3C, 6, 0, 1, 't', 0, 1, 'x'}
	disconnect := []byte{0xE0, 0}
	dialRaw(t, address, bytes.Join([][]byte{connectPacket(4, 30), publish, repetition, disconnect}, nil)...)
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 1 }, patience, time.Millisecond)
	require.Len(t, events.of(messages.TypeMessagePublished), 1)
	require.Empty(t, events.of(messages.TypeAuthzPublishDenied))
}

func TestTopicAliasesAreResolved(t *testing.T) {
	events := &recorder{}
	address := startForeign(t,
		func(s *mqtt.Server) error { return s.AddHook(new(auth.AllowHook), nil) },
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) })
	subscriber := dialMQTT5(t, address, login{id: "sub"}) // lets the broker use aliases
	subscriber.subscribe(0, map[string]byte{"t": 0})
	publish := []byte{0x30, 8, 0, 1, 't', 3, 0x23, 0, 1, 'x'} // with the alias 1
	byAlias := []byte{0x30, 7, 0, 0, 3, 0x23, 0, 1, 'y'}
	conn := dialRaw(t, address, bytes.Join([][]byte{connectPacket(5, 30), publish, byAlias}, nil)...)
	events.await(t,
		&messages.MessagePublished{ClientID: "raw", Topic: "t", PayloadSize: 1, Payload: []byte("x")},
		&messages.MessagePublished{ClientID: "raw", Topic: "t", PayloadSize: 1, Payload: []byte("y")})
	events.await(t,
		&messages.MessageDelivered{ClientID: "sub", Topic: "t", PayloadSize: 1},
		&messages.MessageDelivered{ClientID: "sub", Topic: "t", PayloadSize: 1})
	require.NoError(t, conn.Close())
}

// store is a hook that brings a client from before a restart.
type store struct{ mqtt.HookBase }

func (*store) ID() string           { return "store" }
func (*store) Provides(b byte) bool { return b == mqtt.StoredClients }
func (*store) StoredClients() ([]storage.Client, error) {
	return []storage.Client{{ID: "stored", ProtocolVersion: 4, Clean: true}, {ID: "kept", ProtocolVersion: 4}}, nil
}

func TestStoredClientsAndTheBrokersOwnMessagesAreNoEvents(t *testing.T) {
	events := &recorder{}
	var server *mqtt.Server
	address := startForeign(t,
		func(s *mqtt.Server) error {
			server = s
			s.Options.SysTopicResendInterval = 1
			return s.AddHook(new(store), nil)
		},
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) })
	require.NotNil(t, address)
	require.NotEmpty(t, server.Topics.Messages("$SYS/#"))
	require.Empty(t, events.all())
}

func TestSystemTopicIsNotToldWhenDelivered(t *testing.T) {
	events := &recorder{}
	address := startForeign(t,
		func(s *mqtt.Server) error { return s.AddHook(new(auth.AllowHook), nil) },
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) })
	c := dialMQTT3(t, address, login{id: "c1"})
	c.subscribe(0, map[string]byte{"$SYS/broker/version": 0})
	c.awaitMessage(t, mqtt.Version)
	require.Empty(t, events.of(messages.TypeMessageDelivered))
}

func TestExpiredSessionRemovesItsSubscriptions(t *testing.T) {
	events := &recorder{}
	var server *mqtt.Server
	address := startForeign(t,
		func(s *mqtt.Server) error {
			server = s
			s.Options.Capabilities.MaximumSessionExpiryInterval = 0
			return s.AddHook(new(auth.AllowHook), nil)
		},
		func(s *mqtt.Server) error { return s.AddHook(NewHook(events, "n", slog.New(slog.DiscardHandler)), nil) })
	c := dialMQTT3(t, address, login{id: "c1", resume: true})
	c.subscribe(0, map[string]byte{"t": 1})
	c.disconnect()
	events.await(t, &messages.SubscriptionRemoved{ClientID: "c1", TopicFilter: "t"})
	require.Eventually(t, func() bool { return server.Clients.Len() == 0 }, patience, time.Millisecond)
}

// refuser takes no event.
type refuser struct{ err error }

func (r refuser) Notify(context.Context, messages.Event) error { return r.err }
func (r refuser) NotifyReceipt(func(error), ...*messages.Envelope) error {
	return r.err
}
func (refuser) Wants(messages.Type, string) bool { return true }

func TestUnknownErrorOfTheNotifierIsLoggedOnce(t *testing.T) {
	for err, lines := range map[error]int{messages.ErrQueueFull: 0, messages.ErrClosed: 0, messages.ErrTooLarge: 0, errors.New("broken"): 1} {
		var log bytes.Buffer
		hook := NewHook(refuser{err}, "n", slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			hook.OnRetainedExpired("t")
		}
		require.Equal(t, lines, bytes.Count(log.Bytes(), []byte("\n")), err)
	}
}

// indifferent wants nothing.
type indifferent struct{}

func (indifferent) Notify(context.Context, messages.Event) error { panic("nothing was wanted") }
func (indifferent) NotifyReceipt(func(error), ...*messages.Envelope) error {
	panic("nothing was wanted")
}
func (indifferent) Wants(messages.Type, string) bool { return false }

func unwantedPublish() func() {
	hook := NewHook(indifferent{}, "n", slog.New(slog.DiscardHandler))
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	publisher, subscriber := server.NewClient(nil, "", "pub", false), server.NewClient(nil, "", "sub", false)
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1},
		TopicName:   "a/b", PacketID: 1, Payload: make([]byte, 1024),
	}
	for _, client := range []*mqtt.Client{publisher, subscriber} {
		hook.OnSessionEstablish(client, pk)
		hook.OnSessionEstablished(client, pk)
	}
	return func() {
		hook.OnACLCheck(publisher, pk.TopicName, true)
		_, _ = hook.OnPublish(publisher, pk)
		hook.OnQosPublish(subscriber, pk, 0, 0)
		hook.OnPublished(publisher, pk)
		hook.OnPacketProcessed(publisher, pk, nil)
		_ = hook.OnPacketEncode(subscriber, pk)
		hook.OnPacketSent(subscriber, pk, nil)
		hook.OnQosComplete(subscriber, pk)
	}
}

func TestUnwantedPublishAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(1000, unwantedPublish()))
}

// BenchmarkUnwantedPublish is all that the hook does for a message of QoS 1 with one subscriber, where nobody wants its
// events.
func BenchmarkUnwantedPublish(b *testing.B) {
	publish := unwantedPublish()
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}
