package router

import (
	"errors"
	"strings"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// routingTable answers which endpoints want an event. It never changes, so any goroutine may read it. The cost of an
// answer grows with the levels of the topic, not with the endpoints: filters stand in a tree, a node for each level.
type routingTable struct {
	byType     [messages.TypeCount + 1]routes
	endpoints  int
	predicates []*predicate // by endpoint; nil where no endpoint has one
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

// newRoutingTable compiles the filters of the endpoints. Its error is an *endpointError, or several joined.
func newRoutingTable(endpoints []config.Endpoint) (*routingTable, error) {
	table := &routingTable{endpoints: len(endpoints)}
	expressions := &compiler{}
	var problems []error
	for i, endpoint := range endpoints {
		if err := table.add(i, endpoint, expressions); err != nil {
			problems = append(problems, &endpointError{endpoint: i, name: endpoint.Name, err: err})
		}
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return table, nil
}

func (t *routingTable) add(i int, endpoint config.Endpoint, expressions *compiler) error {
	eventTypes, err := config.ParseEvents(endpoint.Events)
	if err != nil {
		return err
	}
	for _, eventType := range eventTypes {
		t.byType[eventType].add(i, endpoint.TopicFilters)
	}
	asks, err := newPredicate(endpoint, eventTypes, expressions)
	if err != nil || asks == nil {
		return err
	}
	if t.predicates == nil {
		t.predicates = make([]*predicate, t.endpoints)
	}
	t.predicates[i] = asks
	return nil
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

// wants tells whether any endpoint wants an event of this type and routing topic ("" for none), unless its predicate
// leaves the event out.
func (t *routingTable) wants(eventType messages.Type, topic string) bool {
	wanted := false
	t.match(eventType, topic, func([]int) bool {
		wanted = true
		return false
	})
	return wanted
}

// match visits the endpoints that want an event by its type and topic, in several lists, of which an endpoint with several filters may be in
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
