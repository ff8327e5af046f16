// Package actors holds what stands between a routed event and its endpoint: the bounded mailbox, the endpoint actor with
// its pure core (breaker, backoff, attempts, who is next), and the dead-letter actor.
//
// The pure parts (Backlog, breaker, Endpoint) know no clock, no actor and no network: the time is a parameter. The
// actors only turn messages into calls and decisions into sends, attempts and timers. Whatever an actor must not lose to
// a restart stands outside its instance.
package actors
