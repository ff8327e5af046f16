package mqttbroker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/messages"
)

// OnSubscribed tells subscription.created of each filter that was granted, and authz.subscribe_denied of the others.
func (h *Hook) OnSubscribed(cl *mqtt.Client, pk packets.Packet, reasonCodes []byte) {
	if cl.Net.Inline {
		return
	}
	for i, subscription := range pk.Filters {
		if code := reasonCodes[i]; code < packets.ErrUnspecifiedError.Code {
			h.subscribed(cl, subscription, code)
		} else if subscription.Filter != "" { // an empty one is no filter
			h.notify(&messages.AuthzSubscribeDenied{
				ClientID:    cl.ID,
				TopicFilter: strings.Clone(subscription.Filter),
				Reason:      subackReason(cl, &pk, subscription.Filter, code),
			})
		}
	}
}

// OnUnsubscribed tells subscription.removed. mochi calls it for each UNSUBSCRIBE, whatever came of it, and for all
// subscriptions of a session that ends.
func (h *Hook) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	if cl.Net.Inline {
		return
	}
	conn := h.connection(cl)
	for _, subscription := range pk.Filters {
		if conn == nil || conn.unsubscribed(cl, subscription.Filter) {
			h.notify(&messages.SubscriptionRemoved{ClientID: cl.ID, TopicFilter: strings.Clone(subscription.Filter)})
		}
	}
}

func (h *Hook) subscribed(cl *mqtt.Client, subscription packets.Subscription, grantedQoS byte) {
	if conn := h.connection(cl); conn != nil {
		conn.mu.Lock()
		conn.filters[subscription.Filter] = struct{}{}
		conn.mu.Unlock()
	}
	h.notify(&messages.SubscriptionCreated{
		ClientID:       cl.ID,
		TopicFilter:    strings.Clone(subscription.Filter),
		QoS:            grantedQoS,
		SubscriptionID: subscription.Identifier,
	})
}

// unsubscribed tells whether the client had the subscription and has it no more.
func (c *connection) unsubscribed(cl *mqtt.Client, filter string) bool {
	if _, kept := cl.State.Subscriptions.Get(filter); kept {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, had := c.filters[filter]
	delete(c.filters, filter)
	return had
}
