package mqttbroker

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// What the broker keeps of topic aliases for one connection.
const (
	maxTopicAliases    = 16
	maxAliasTopicBytes = 1 << 10
)

// topicAliases are the numbers by which the broker calls topics on one connection, the first topics that are sent there
// (MQTT 5.0 §3.3.2.3.4).
type topicAliases struct {
	maximum uint16 // 0: the client takes none
	byTopic map[string]uint16
}

// apply uses the topic's alias in a PUBLISH, and tells whether that introduces it.
func (a *topicAliases) apply(pk *packets.Packet) (introduced bool) {
	if a.maximum == 0 || pk.FixedHeader.Type != packets.Publish {
		return false
	}
	alias, known := a.byTopic[pk.TopicName]
	switch {
	case known:
		pk.TopicName = ""
	case len(a.byTopic) == int(a.maximum) || len(pk.TopicName) > maxAliasTopicBytes:
		return false
	default:
		alias = uint16(len(a.byTopic)) + 1
		if a.byTopic == nil {
			a.byTopic = map[string]uint16{}
		}
		a.byTopic[strings.Clone(pk.TopicName)] = alias
	}
	pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = alias, true
	return !known
}

// forget takes back the alias that was introduced last, because its topic was not sent.
func (a *topicAliases) forget(topic string) { delete(a.byTopic, topic) }
