package mqttbroker

// Refused counts what the broker had no room for, by reason.
func (b *Broker) Refused() map[string]uint64 {
	refused := map[string]uint64{}
	for reason, name := range refusalReasons {
		refused[name] = b.bounds.refusals[reason].Load()
	}
	return refused
}

// Used tells how many bytes of memory the broker takes up, by use, as it counts them.
func (b *Broker) Used() map[string]int64 {
	return map[string]int64{
		"sessions":         b.bounds.sessions.used.Load(),
		"subscriptions":    b.bounds.subscriptions.used.Load(),
		"queues":           b.bounds.queues.used.Load(),
		"retained":         b.bounds.retained.used.Load(),
		"outgoing":         b.bounds.outgoing.used.Load(),
		"acknowledgements": b.bounds.acknowledgements.used.Load(),
		"arriving":         b.bounds.arriving.used() + b.bounds.logins.used(),
	}
}
