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

// askPredicates leaves out the endpoints that were found and do not want the event after all. The client ids come first, so
// that only the expressions that have to be evaluated share the event's budget.
func (m *matcher) askPredicates(event *messages.Envelope) {
	expressions := 0
	m.keep(func(endpoint int, asks *predicate) bool {
		if err := m.look(event); err != nil {
			m.fail(endpoint, event, err)
			return false
		}
		if !asks.wantsClient(messages.ClientID(m.about.event)) {
			return false
		}
		if asks.when != nil {
			expressions++
		}
		return true
	})
	m.about.meter = newMeter(expressions)
	m.keep(func(endpoint int, asks *predicate) bool {
		if asks.when == nil {
			return true
		}
		holds, err := asks.when.holds(&m.about)
		if err != nil {
			m.fail(endpoint, event, err)
		}
		return holds
	})
	m.about = subject{} // holds on to no event
}

// keep leaves out the endpoints with a predicate that wanted is not true of.
func (m *matcher) keep(wanted func(endpoint int, asks *predicate) bool) {
	kept := m.found[:0]
	for _, endpoint := range m.found {
		if asks := m.table.predicates[endpoint]; asks == nil || wanted(endpoint, asks) {
			kept = append(kept, endpoint)
		}
	}
	m.found = kept
}

// fail accounts for an endpoint that does not get the event because its predicate could not be evaluated.
func (m *matcher) fail(endpoint int, event *messages.Envelope, err error) {
	m.failed[endpoint].add(time.Now(), m.log, m.table.predicates[endpoint].endpoint, event, err)
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
