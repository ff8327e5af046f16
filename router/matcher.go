package router

import (
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// matcher finds each endpoint once. It belongs to one goroutine.
type matcher struct {
	table *routingTable
	found []int
	seen  []uint64 // the number of the search that found the endpoint last
	count uint64   // of searches
	about subject  // the event whose endpoints are asked for

	log    *slog.Logger   // of predicates that fail
	failed []filterErrors // by endpoint; nil where no endpoint has a predicate
}

func newMatcher(table *routingTable) *matcher {
	m := &matcher{table: table, seen: make([]uint64, table.endpoints), log: slog.New(slog.DiscardHandler)}
	if table.predicates != nil {
		m.failed = make([]filterErrors, table.endpoints)
	}
	return m
}

// filterErrors is how many events the endpoint did not get because its predicate could not be evaluated. Any goroutine may
// ask.
func (m *matcher) filterErrors(endpoint int) uint64 {
	if m.failed == nil {
		return 0
	}
	return m.failed[endpoint].count.Load()
}

// match lists the endpoints that want the event. The list is good until the next call.
func (m *matcher) match(event *messages.Envelope) []int {
	m.found = m.found[:0]
	m.count++
	m.table.match(event.Type(), event.RoutingTopic(), m.add)
	if m.table.predicates != nil {
		m.askPredicates(event)
	}
	return m.found
}

func (m *matcher) add(endpoints []int) bool {
	for _, endpoint := range endpoints {
		if m.seen[endpoint] != m.count {
			m.seen[endpoint] = m.count
			m.found = append(m.found, endpoint)
		}
	}
	return true
}

// askPredicates leaves out the endpoints that were found and do not want the event after all.
func (m *matcher) askPredicates(event *messages.Envelope) {
	kept := m.found[:0]
	for _, endpoint := range m.found {
		asks := m.table.predicates[endpoint]
		if asks == nil || m.satisfies(endpoint, asks, event) {
			kept = append(kept, endpoint)
		}
	}
	m.found = kept
	m.about = subject{} // holds on to no event
}

func (m *matcher) satisfies(endpoint int, asks *predicate, event *messages.Envelope) bool {
	holds, err := false, m.look(event)
	if err == nil {
		holds, err = asks.holds(&m.about)
	}
	if err != nil {
		m.failed[endpoint].add(time.Now(), m.log, asks.endpoint, event, err)
	}
	return holds
}

// look makes the event what expressions are about, once for all its endpoints.
func (m *matcher) look(envelope *messages.Envelope) error {
	if m.about.event != nil {
		return nil
	}
	event, err := envelope.Event()
	if err != nil {
		return err
	}
	m.about = subject{id: envelope.ID, timestamp: envelope.Timestamp, brokerID: envelope.BrokerID, event: event}
	return nil
}
