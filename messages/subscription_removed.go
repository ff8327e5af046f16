package messages

import "cmp"

// SubscriptionRemoved tells that a subscription ended (subscription.removed).
type SubscriptionRemoved struct {
	ClientID    string `json:"client_id"`
	TopicFilter string `json:"topic_filter"`
}

func (*SubscriptionRemoved) EventType() Type        { return TypeSubscriptionRemoved }
func (e *SubscriptionRemoved) RoutingTopic() string { return unshare(e.TopicFilter) }
func (e *SubscriptionRemoved) client() string       { return e.ClientID }

func (e *SubscriptionRemoved) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkSubscription),
	)
}

func (e *SubscriptionRemoved) textBytes() int { return texts(e.ClientID, e.TopicFilter) }

func (e *SubscriptionRemoved) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter)
}
