package router

import (
	"maps"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// Stats is a router at one moment. The figures of one Ledger belong together; different ledgers are read one after the
// other.
type Stats struct {
	// Mailbox is the account of the root mailbox: offered (Accepted) = routed + unwanted + dropped + queued (Held).
	Mailbox delivery.Ledger
	// Endpoints are in the order of the configuration: accepted = delivered + dropped + dead-lettered + held.
	Endpoints []actors.EndpointStats
	// FilterErrors are the events that an endpoint did not get because its "when" could not be evaluated, in the same
	// order. They are none of its account; an event that no other endpoint wants is unwanted.
	FilterErrors []uint64
	// DeletedDeadLetters are those that dead_letters.max_bytes and max_age took.
	DeletedDeadLetters store.Deletions
	// Store is the store; nil without one.
	Store *store.Stats
	// Absent is what the store holds for endpoints that the configuration does not have.
	Absent map[string]delivery.Volume
}

// Stats reads what became of all events so far. After Close it is the summary.
func (h *Handle) Stats() Stats {
	stats := Stats{Mailbox: h.router.backlog.Ledger(), DeletedDeadLetters: h.router.deadLetters.Deleted()}
	for i, endpoint := range h.router.endpoints {
		stats.Endpoints = append(stats.Endpoints, endpoint.Stats())
		stats.FilterErrors = append(stats.FilterErrors, h.router.matcher.filterErrors(i))
	}
	if kept := h.router.store; kept != nil {
		of := kept.Stats()
		stats.Store, stats.Absent = &of, maps.Clone(h.router.absent)
	}
	return stats
}

// Kept is the number of events that are held and outlive the process.
func (s Stats) Kept() int {
	kept := 0
	for _, endpoint := range s.Endpoints {
		kept += endpoint.Kept
	}
	return kept
}

// Lost is the number of events that were given up at the shutdown and that nothing kept.
func (s Stats) Lost() uint64 {
	var lost uint64
	for _, endpoint := range s.Endpoints {
		lost += endpoint.Lost
	}
	return lost
}
