package router

import (
	"fmt"
	"strings"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// routingTable answers which endpoints want an event. It never changes, so any goroutine may read it. The cost of an
// answer grows with the levels of the topic, not with the endpoints: filters stand in a tree, a node for each level.
type routingTable struct {
	byType    [messages.TypeCount + 1]routes
	endpoints int
}

// routes are the endpoints that want one type of event. An endpoint is its index in the configuration.
type routes struct {
	everything []int  // endpoints without topic filters
	filtered   []int  // endpoints with topic filters, which an event without a topic passes
	topics     *level // nil: no endpoint has a topic filter
}

// level is a node of the tree of filters: what filters may say after the levels that lead to it.
type level struct {
	named     map[string]*level
	any       *level // the level "+"
	endsHere  []int  // endpoints with a filter that ends here
	restBelow []int  // endpoints with a filter that goes on with "#"
}

// newRoutingTable compiles the endpoints' events and topic_filters.
func newRoutingTable(endpoints []config.Endpoint) (*routingTable, error) {
	table := &routingTable{endpoints: len(endpoints)}
	for i, endpoint := range endpoints {
		types, err := config.ParseEvents(endpoint.Events)
		if err != nil {
			return nil, fmt.Errorf("events of endpoint %q: %w", endpoint.Name, err)
		}
		for _, eventType := range types {
			table.byType[eventType].add(i, endpoint.TopicFilters)
		}
	}
	return table, nil
}

func (r *routes) add(endpoint int, filters []string) {
	if len(filters) == 0 {
		r.everything = append(r.everything, endpoint)
		return
	}
	r.filtered = append(r.filtered, endpoint)
	if r.topics == nil {
		r.topics = &level{}
	}
	for _, filter := range filters {
		r.topics.add(endpoint, filter)
	}
}

func (l *level) add(endpoint int, filter string) {
	name, rest, more := strings.Cut(filter, "/")
	if name == "#" {
		l.restBelow = append(l.restBelow, endpoint)
		return
	}
	next := l.child(name)
	if more {
		next.add(endpoint, rest)
	} else {
		next.endsHere = append(next.endsHere, endpoint)
	}
}

func (l *level) child(name string) *level {
	if name == "+" {
		if l.any == nil {
			l.any = &level{}
		}
		return l.any
	}
	if l.named == nil {
		l.named = map[string]*level{}
	}
	next := l.named[name]
	if next == nil {
		next = &level{}
		l.named[name] = next
	}
	return next
}

// wants tells whether any endpoint wants an event of this type and routing topic ("" for none).
func (t *routingTable) wants(eventType messages.Type, topic string) bool {
	wanted := false
	t.match(eventType, topic, func([]int) bool {
		wanted = true
		return false
	})
	return wanted
}

// match visits the endpoints that want an event, in several lists, of which an endpoint with several filters may be in
// more than one, until visit returns false.
func (t *routingTable) match(eventType messages.Type, topic string, visit func(endpoints []int) bool) {
	if !eventType.Valid() {
		return
	}
	routes := &t.byType[eventType]
	if len(routes.everything) > 0 && !visit(routes.everything) || routes.topics == nil {
		return
	}
	if topic == "" {
		visit(routes.filtered)
		return
	}
	// MQTT 5.0 §4.7.2: a wildcard does not stand for a first level that begins with "$".
	routes.topics.match(topic, true, topic[0] != '$', visit)
}

// match goes on with the rest of the topic, which is used up when more is false.
func (l *level) match(rest string, more, wildcards bool, visit func([]int) bool) bool {
	if wildcards && len(l.restBelow) > 0 && !visit(l.restBelow) {
		return false
	}
	if !more {
		return len(l.endsHere) == 0 || visit(l.endsHere)
	}
	name, rest, more := strings.Cut(rest, "/")
	if next := l.named[name]; next != nil && !next.match(rest, more, true, visit) {
		return false
	}
	return !wildcards || l.any == nil || l.any.match(rest, more, true, visit)
}

// matcher finds each endpoint once. It belongs to one goroutine.
type matcher struct {
	table *routingTable
	found []int
	seen  []uint64 // the number of the search that found the endpoint last
	count uint64   // of searches
}

func newMatcher(table *routingTable) *matcher {
	return &matcher{table: table, seen: make([]uint64, table.endpoints)}
}

// match lists the endpoints that want the event. The list is good until the next call.
func (m *matcher) match(event *messages.Envelope) []int {
	m.found = m.found[:0]
	m.count++
	m.table.match(event.Type(), event.RoutingTopic(), m.add)
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
