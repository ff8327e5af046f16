package messages

import (
	"cmp"
	"fmt"
)

// SubscriptionCreated tells that the broker granted a subscription (subscription.created).
type SubscriptionCreated struct {
	ClientID       string `json:"client_id"`
	TopicFilter    string `json:"topic_filter"`
	QoS            byte   `json:"qos"`
	SubscriptionID int    `json:"subscription_id,omitempty"` // MQTT 5.0 §3.8.2.1.2; 0 for none
}

func (*SubscriptionCreated) EventType() Type        { return TypeSubscriptionCreated }
func (e *SubscriptionCreated) RoutingTopic() string { return unshare(e.TopicFilter) }
func (e *SubscriptionCreated) client() string       { return e.ClientID }

func (e *SubscriptionCreated) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkSubscription),
		checkField("qos", e.QoS, checkQoS),
		checkField("subscription_id", e.SubscriptionID, checkSubscriptionID),
	)
}

// checkSubscriptionID checks by MQTT 5.0 §3.8.2.1.2; 0 stands for none.
func checkSubscriptionID(id int) error {
	if id < 0 || id > 268_435_455 {
		return fmt.Errorf("is %d, not 0 to 268,435,455", id)
	}
	return nil
}

func (e *SubscriptionCreated) textBytes() int { return texts(e.ClientID, e.TopicFilter) }

func (e *SubscriptionCreated) encode(o object) object {
	o = o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter).number("qos", int(e.QoS))
	if e.SubscriptionID != 0 {
		o = o.number("subscription_id", e.SubscriptionID)
	}
	return o
}
