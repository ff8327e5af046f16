// Package actors holds what stands between a routed event and its endpoint: the bounded mailbox, the endpoint actor, and
// the dead-letter actor.
//
// They decide nothing: that is left to package delivery. The actors turn messages into calls of it, and its decisions
// into sends, attempts and timers. Whatever an actor must not lose to a restart stands outside its instance.
package actors
