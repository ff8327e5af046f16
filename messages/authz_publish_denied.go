package messages

import "cmp"

// AuthzPublishDenied tells that a client may not publish to a topic (authz.publish_denied).
type AuthzPublishDenied struct {
	ClientID string `json:"client_id"`
	Topic    string `json:"topic"`
	Reason   string `json:"reason"`
}

func (*AuthzPublishDenied) EventType() Type        { return TypeAuthzPublishDenied }
func (e *AuthzPublishDenied) RoutingTopic() string { return e.Topic }
func (e *AuthzPublishDenied) client() string       { return e.ClientID }

func (e *AuthzPublishDenied) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic", e.Topic, checkTopicName),
	)
}

func (e *AuthzPublishDenied) textBytes() int { return texts(e.ClientID, e.Topic, e.Reason) }

func (e *AuthzPublishDenied) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic", e.Topic).text("reason", e.Reason)
}
