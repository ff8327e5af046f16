package mqttbroker

import (
	"context"
	"slices"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// replayTimeout is how long a SUBSCRIBE may take to bring a slow reader the retained messages, and to wait for others'.
const replayTimeout = 5 * time.Second

// subscribing is the SUBSCRIBE that a client waits for.
type subscribing struct {
	granting bool                // whether mochi still asks for its filters
	refused  map[string]struct{} // filters for which there is no room
	replay   int64               // room that its retained messages take
	until    time.Time           // when they wait for a slow reader no more
}

// OnSubscribe takes room for each filter, and for the retained messages that mochi will look up.
func (q *quotas) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	conn := connOf(cl)
	if conn == nil {
		return pk
	}
	s := &subscribing{granting: true, refused: map[string]struct{}{}, until: time.Now().Add(replayTimeout)}
	replayed := q.awaitReplay(s, pk.Filters)
	if !q.sessions.holdSession(cl) {
		pk.Filters = nil // which would be its successor's
	}
	for i := range pk.Filters {
		filter := strings.Clone(pk.Filters[i].Filter) // which mochi keeps, and with it else the whole packet
		pk.Filters[i].Filter = filter
		if !validSubscription(filter) {
			continue // it is refused as what it is, and takes nothing
		}
		if !replayed || levels(filter) > maxTopicLevels || !q.holdings.subscribe(cl.ID, filter, pk.Filters[i].Qos) {
			s.refused[filter] = struct{}{}
			q.refused(reasonSubscription)
		}
	}
	conn.subscribing.Store(s)
	return pk
}

// awaitReplay waits for room for what mochi looks up of the retained messages: all, where a filter has wildcards.
func (q *quotas) awaitReplay(s *subscribing, filters packets.Subscriptions) bool {
	if !slices.ContainsFunc(filters, func(f packets.Subscription) bool { return strings.ContainsAny(f.Filter, "+#") }) {
		return true
	}
	ctx, cancel := context.WithDeadline(context.Background(), s.until)
	defer cancel()
	room := min(packetBytes*int64(q.server.Topics.Retained.Len()), q.replayBytes)
	if q.replaying.Acquire(ctx, room) != nil {
		return false
	}
	s.replay = room
	return true
}

func (q *quotas) endReplay(conn *clientConn) {
	if s := conn.subscribing.Swap(nil); s != nil && s.replay > 0 {
		q.replaying.Release(s.replay)
	}
}

// OnSubscribed says of the filters for which there was no room why they are refused, and gives back what the others that
// are not granted took.
func (q *quotas) OnSubscribed(cl *mqtt.Client, pk packets.Packet, reasonCodes []byte) {
	conn := connOf(cl)
	if conn == nil {
		return
	}
	s := conn.subscribing.Load()
	for i, subscription := range pk.Filters {
		if _, refused := s.refused[subscription.Filter]; refused {
			reasonCodes[i] = packets.ErrQuotaExceeded.Code
		} else if _, kept := cl.State.Subscriptions.Get(subscription.Filter); !kept {
			q.holdings.unsubscribe(cl.ID, subscription.Filter)
		}
	}
	conn.subscribing.Store(&subscribing{replay: s.replay, until: s.until})
}

func (q *quotas) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	for _, subscription := range pk.Filters {
		if _, kept := cl.State.Subscriptions.Get(subscription.Filter); !kept {
			q.holdings.unsubscribe(cl.ID, subscription.Filter)
		}
	}
}

// OnPacketEncode writes what a SUBACK of MQTT 3.1.1 can say (§3.9.3).
func (q *quotas) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Suback && cl.Properties.ProtocolVersion < 5 {
		for i, code := range pk.ReasonCodes {
			if code > 2 {
				pk.ReasonCodes[i] = packets.ErrUnspecifiedError.Code
			}
		}
	}
	return pk
}
