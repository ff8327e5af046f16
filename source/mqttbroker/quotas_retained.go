package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// OnWill drops the retain flag of a will for which there is no room.
func (q *quotas) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	pk := detached(packets.Packet{TopicName: will.TopicName, Payload: will.Payload, Properties: packets.Properties{User: will.User}})
	will.TopicName, will.User = pk.TopicName, pk.Properties.User
	if will.Retain && (levels(will.TopicName) > maxTopicLevels || !q.hasRetainedRoom(&pk)) {
		q.refused(reasonRetained)
		will.Retain = false
	}
	return will, nil
}

func (q *quotas) hasRetainedRoom(pk *packets.Packet) bool {
	before, _ := q.retainedBytes(pk.TopicName)
	return len(pk.Payload) == 0 || q.retained.has(retainedSize(pk)-before)
}

func (q *quotas) retainedBytes(topic string) (bytes int64, isRetained bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, isRetained = q.retainedTopics[topic]
	return bytes, isRetained
}

func retainedSize(pk *packets.Packet) int64 {
	return messageSize(pk) + int64(levelBytes*levels(pk.TopicName))
}

// OnRetainMessage takes note of what mochi keeps.
func (q *quotas) OnRetainMessage(_ *mqtt.Client, pk packets.Packet, change int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retained.giveBack(q.retainedTopics[pk.TopicName])
	delete(q.retainedTopics, pk.TopicName)
	if change == 1 {
		size := retainedSize(&pk)
		q.retained.spend(size)
		q.retainedTopics[pk.TopicName] = size
	}
}

// OnRetainedExpired takes the topic out of mochi's tree, where it would stay.
func (q *quotas) OnRetainedExpired(topic string) {
	if _, anew := q.server.Topics.Retained.Get(topic); anew {
		return
	}
	q.server.Topics.RetainMessage(packets.Packet{TopicName: topic})
	q.OnRetainMessage(nil, packets.Packet{TopicName: topic}, -1)
}
