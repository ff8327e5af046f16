package mqttbroker

import (
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const maxTopicLevels = 128

// quotas is the hook that refuses what there is no room for: with 0x97 where MQTT 5.0 has a place for it. In MQTT 3 a
// message without QoS is dropped, and who waits for an answer is disconnected.
type quotas struct {
	mqtt.HookBase

	*bounds
	server     *mqtt.Server
	sessions   *sessions
	hook       *Hook
	holdings   holdings
	publishing publishing
	pace       pace // of messages that are not in publishing: wills

	mu             sync.Mutex
	retainedTopics map[string]int64 // the bytes of each retained message
}

func newQuotas(b *bounds, server *mqtt.Server, sessions *sessions, hook *Hook) *quotas {
	q := &quotas{
		bounds:         b,
		server:         server,
		sessions:       sessions,
		hook:           hook,
		publishing:     publishing{topics: map[string]*publish{}},
		retainedTopics: map[string]int64{},
	}
	q.holdings = holdings{bounds: b, end: q.end, sessions: map[string]*holding{}}
	return q
}

func (*quotas) ID() string { return "quotas" }

func (*quotas) Provides(callback byte) bool {
	return slices.Contains([]byte{
		mqtt.OnSessionEstablish, mqtt.OnClientExpired,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnPacketEncode, mqtt.OnPacketProcessed,
		mqtt.OnPublish, mqtt.OnWill, mqtt.OnRetainMessage, mqtt.OnRetainedExpired,
		mqtt.OnQosPublish, mqtt.OnQosComplete, mqtt.OnQosDropped,
	}, callback)
}

func (q *quotas) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if conn := connOf(cl); conn != nil && !pk.Ignore { // Ignore: no packet of the client, and not in the goroutine that reads
		q.endPublish(conn)
		q.endReplay(conn)
	}
}
