package messages

// ClientID is the id of the client that an event is about: the publisher or the subscriber of a message. It is "" for
// message.retained, which is about none, and where an auth.failure came before the broker gave one.
func ClientID(event Event) string {
	switch e := event.(type) {
	case *ClientConnected:
		return e.ClientID
	case *ClientDisconnected:
		return e.ClientID
	case *ClientSessionTakeover:
		return e.ClientID
	case *MessagePublished:
		return e.ClientID
	case *MessageDelivered:
		return e.ClientID
	case *SubscriptionCreated:
		return e.ClientID
	case *SubscriptionRemoved:
		return e.ClientID
	case *AuthSuccess:
		return e.ClientID
	case *AuthFailure:
		return e.ClientID
	case *AuthzPublishDenied:
		return e.ClientID
	case *AuthzSubscribeDenied:
		return e.ClientID
	}
	return ""
}
