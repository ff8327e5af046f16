package mqttbroker

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// guarded is a broker of two users, where everybody may use open/# and alice a/# besides.
var guarded = config.MQTTBroker{
	Users: []config.User{{Username: "alice", Password: "secret-a"}, {Username: "bob", Password: "secret-b"}},
	ACL: []config.ACLRule{
		{Publish: []string{"open/#"}, Subscribe: []string{"open/#"}},
		{Username: "alice", Publish: []string{"a/#"}, Subscribe: []string{"a/#"}},
	},
}

func TestRefusedLoginIsTold(t *testing.T) {
	// MQTT 5.0 §3.1 and MQTT 3.1.1 §3.1, with the user "alice" and the password "wrong".
	credentials := append([]byte{0, 5}, "alice\x00\x05wrong"...)
	for name, test := range map[string]struct {
		version byte
		reason  string
	}{
		"mqtt3": {4, "not authorized"},
		"mqtt5": {5, "bad username or password"},
	} {
		t.Run(name, func(t *testing.T) {
			broker, events := startBroker(t, guarded)
			packet := append(connectPacket(test.version, 30), credentials...)
			packet[1] += byte(len(credentials))
			packet[9] |= 0xC0
			conn := dialRaw(t, broker.Addr(), packet...)
			events.await(t, &messages.AuthFailure{ClientID: "raw", Reason: test.reason, RemoteAddr: conn.LocalAddr().String()})
			require.Len(t, events.all(), 1)
		})
	}
}

func TestOnlyTheRightPasswordIsAdmitted(t *testing.T) {
	accounts, err := newAccounts(guarded.Users)
	require.NoError(t, err)
	require.True(t, accounts.admit("alice", []byte("secret-a")))
	require.False(t, accounts.admit("alice", []byte("secret-b")))
	require.False(t, accounts.admit("alice", nil))
	require.False(t, accounts.admit("", nil))
	require.False(t, accounts.admit("nobody", []byte("secret-a")))
}

func TestWrongPasswordIsRefusedToARealClient(t *testing.T) {
	broker, events := startBroker(t, guarded)
	c := mqtt3.NewClient(mqtt3.NewClientOptions().AddBroker("tcp://" + broker.Addr().String()).
		SetClientID("c1").SetUsername("alice").SetPassword("wrong").SetProtocolVersion(4))
	connected := c.Connect()
	require.True(t, connected.WaitTimeout(patience))
	require.Error(t, connected.Error())
	require.Eventually(t, func() bool { return len(events.of(messages.TypeAuthFailure)) == 1 }, patience, time.Millisecond)
}

func TestDeniedPublishIsToldAtEachQoS(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		for qos := range byte(3) {
			broker, events := startBroker(t, guarded)
			c := dial(t, broker.Addr(), login{id: "c1", username: "bob", password: "secret-b"})
			c.publish("open/x", qos, false, "fine")
			c.publish("a/x", qos, false, "denied")
			events.await(t, &messages.AuthzPublishDenied{ClientID: "c1", Topic: "a/x", Reason: "not authorized"})
			events.await(t, &messages.MessagePublished{ClientID: "c1", Topic: "open/x", QoS: qos, PayloadSize: 4, Payload: []byte("fine")})
		}
	})
}

func TestEachDeniedFilterIsToldBesideTheGrantedOnes(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startBroker(t, guarded)
		c := dial(t, broker.Addr(), login{id: "c1", username: "alice", password: "secret-a"})
		c.subscribe(0, map[string]byte{"a/+/b": 1, "open/#": 0, "#": 0, "b": 2, "$share/g/a/x": 2, "$share/g/c": 0})
		events.await(t,
			&messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "a/+/b", QoS: 1},
			&messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "open/#"},
			&messages.SubscriptionCreated{ClientID: "c1", TopicFilter: "$share/g/a/x", QoS: 2})
		events.await(t,
			&messages.AuthzSubscribeDenied{ClientID: "c1", TopicFilter: "#", Reason: "not authorized"},
			&messages.AuthzSubscribeDenied{ClientID: "c1", TopicFilter: "b", Reason: "not authorized"},
			&messages.AuthzSubscribeDenied{ClientID: "c1", TopicFilter: "$share/g/c", Reason: "not authorized"})
	})
}

func TestInvalidFilterIsToldAsSuch(t *testing.T) {
	for name, version := range map[string]byte{"mqtt3": 4, "mqtt5": 5} {
		t.Run(name, func(t *testing.T) {
			broker, events := startBroker(t, config.MQTTBroker{})
			subscribe := []byte{0x82, 9, 0, 1, 0, 4, '#', '/', 'a', 'b', 0}
			if version == 5 {
				subscribe = []byte{0x82, 10, 0, 1, 0, 0, 4, '#', '/', 'a', 'b', 0}
			}
			dialRaw(t, broker.Addr(), append(connectPacket(version, 30), subscribe...)...)
			events.await(t, &messages.AuthzSubscribeDenied{ClientID: "raw", TopicFilter: "#/ab", Reason: "topic filter invalid"})
		})
	}
}

func TestWillThatItsClientMayNotPublishIsDiscarded(t *testing.T) {
	withBothVersions(t, func(t *testing.T, dial dialer, _ string) {
		broker, events := startBroker(t, guarded)
		c := dial(t, broker.Addr(), login{id: "c1", username: "bob", password: "secret-b", will: "a/will"})
		events.await(t, &messages.AuthzPublishDenied{ClientID: "c1", Topic: "a/will", Reason: "not authorized"})
		c.sever()
		events.await(t, &messages.ClientDisconnected{ClientID: "c1", Reason: messages.ReasonError, RemoteAddr: c.addr})
		require.Empty(t, events.of(messages.TypeMessagePublished))
	})
}

func TestWillToAnInvalidTopicIsDiscarded(t *testing.T) {
	broker, events := startBroker(t, config.MQTTBroker{})
	dialMQTT3(t, broker.Addr(), login{id: "c1", will: "$SYS/broker/version"})
	events.await(t, &messages.AuthzPublishDenied{ClientID: "c1", Topic: "$SYS/broker/version", Reason: "topic name invalid"})
}

func TestAccessThatCanNotBeMeantIsAnError(t *testing.T) {
	for want, cfg := range map[string]config.MQTTBroker{
		"users[0].username: is required":                                            {Users: []config.User{{Password: "p"}}},
		"users[0].password: is required":                                            {Users: []config.User{{Username: "u"}}},
		`users[1].username: "u" is there twice`:                                     {Users: []config.User{{Username: "u", Password: "p"}, {Username: "u", Password: "q"}}},
		`acl[0].username: "u" is not among the users`:                               {ACL: []config.ACLRule{{Username: "u"}}},
		`acl[0].publish[1]: "a#" has a "#" that is not the whole of its last level`: {ACL: []config.ACLRule{{Publish: []string{"a", "a#"}}}},
		`acl[0].subscribe[0]: "" is empty`:                                          {ACL: []config.ACLRule{{Subscribe: []string{""}}}},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := New(cfg, "node-1", &recorder{}, slog.New(slog.DiscardHandler))
			require.EqualError(t, err, want)
		})
	}
}

// TestFilterCoversWhatItsTopicsSay compares covers with its definition, over all filters of up to three levels and
// topics of up to four.
func TestFilterCoversWhatItsTopicsSay(t *testing.T) {
	topics := combine(4, "a", "b", "other", "$s")
	filters := slices.Concat(combine(3, "a", "b", "$s", "+"), []string{"#"})
	for _, filter := range combine(2, "a", "b", "$s", "+") {
		filters = append(filters, filter+"/#")
	}
	matched := map[string][]bool{}
	for _, text := range filters {
		filter, err := messages.ParseTopicFilter(text)
		require.NoError(t, err)
		for _, topic := range topics {
			matched[text] = append(matched[text], filter.Matches(topic))
		}
	}
	for _, allowed := range filters {
		for _, requested := range filters {
			want := true
			for i := range topics {
				want = want && (!matched[requested][i] || matched[allowed][i])
			}
			if covers(allowed, requested) != want {
				t.Errorf("covers(%q, %q) is %t", allowed, requested, !want)
			}
		}
	}
}

// combine lists all topics of one to depth levels made of the words.
func combine(depth int, words ...string) []string {
	if depth == 0 {
		return nil
	}
	all := slices.Clone(words)
	for _, rest := range combine(depth-1, words...) {
		for _, word := range words {
			all = append(all, strings.Join([]string{word, rest}, "/"))
		}
	}
	return all
}
