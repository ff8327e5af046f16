package messages

import "cmp"

// AuthzSubscribeDenied tells that a client may not subscribe to a filter (authz.subscribe_denied).
type AuthzSubscribeDenied struct {
	ClientID    string `json:"client_id"`
	TopicFilter string `json:"topic_filter"`
	Reason      string `json:"reason"`
}

func (*AuthzSubscribeDenied) EventType() Type        { return TypeAuthzSubscribeDenied }
func (e *AuthzSubscribeDenied) RoutingTopic() string { return unshare(e.TopicFilter) }
func (e *AuthzSubscribeDenied) client() string       { return e.ClientID }

// check takes any filter that is not empty: a broker may deny a filter because it is invalid.
func (e *AuthzSubscribeDenied) check() error {
	return cmp.Or(
		checkField("client_id", e.ClientID, checkID),
		checkField("topic_filter", e.TopicFilter, checkTopicText),
	)
}

func (e *AuthzSubscribeDenied) textBytes() int { return texts(e.ClientID, e.TopicFilter, e.Reason) }

func (e *AuthzSubscribeDenied) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter).text("reason", e.Reason)
}
