package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/router"
)

// routerCollector turns a router's Stats into metrics. It reads them once a scrape, so that the figures of one queue
// belong together, and shows every reason, outcome and state from the start: PromQL's rate and increase don't see a
// series begin.
type routerCollector struct{ handle *router.Handle }

// Describe implements prometheus.Collector. It yields nothing: a registry may hold the collector before there is a
// router to collect from.
func (routerCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c routerCollector) Collect(metrics chan<- prometheus.Metric) {
	stats, to := c.handle.Stats(), sink(metrics)
	to.mailbox(stats.Mailbox)
	to.counter(deadLettersDeleted, stats.DeletedDeadLetters.MaxBytes, "max_bytes")
	to.counter(deadLettersDeleted, stats.DeletedDeadLetters.MaxAge, "max_age")
	to.store(stats)
	for i, endpoint := range stats.Endpoints {
		to.counter(endpointFilterErrors, stats.FilterErrors[i], endpoint.Name)
		to.queue(endpoint.Name, endpoint.Ledger)
		to.requests(endpoint)
		to.breaker(endpoint.Name, endpoint.Breaker)
	}
}

var (
	mailboxOffered = prometheus.NewDesc("webhookd_mailbox_offered_events_total",
		"Events offered to the router: all that were routed, unwanted or dropped, and those still queued.", nil, nil)
	mailboxRouted = prometheus.NewDesc("webhookd_mailbox_routed_events_total",
		"Events forwarded to at least one endpoint.", nil, nil)
	mailboxUnwanted = prometheus.NewDesc("webhookd_mailbox_unwanted_events_total",
		"Events that no endpoint wants.", nil, nil)
	mailboxDropped = prometheus.NewDesc("webhookd_mailbox_dropped_events_total",
		"Events dropped before they were routed, by reason.", []string{"reason"}, nil)
	mailboxQueued = prometheus.NewDesc("webhookd_mailbox_queued_events",
		"Events not yet routed.", nil, nil)
	mailboxQueuedBytes = prometheus.NewDesc("webhookd_mailbox_queued_bytes",
		"Bytes of the events not yet routed.", nil, nil)

	deadLettersDeleted = prometheus.NewDesc("webhookd_dead_letters_deleted_total",
		"Dead letters deleted from the store, by the bound that did it.", []string{"reason"}, nil)

	endpointFilterErrors = prometheus.NewDesc("webhookd_endpoint_filter_errors_total",
		"Events that the endpoint did not get because its filter could not be evaluated.", []string{"endpoint"}, nil)
	endpointAccepted = prometheus.NewDesc("webhookd_endpoint_accepted_events_total",
		"Events that came to the endpoint's queue, by where from: all that were delivered, dropped or dead-lettered, and those still held.",
		[]string{"endpoint", "origin"}, nil)
	endpointDelivered = prometheus.NewDesc("webhookd_endpoint_delivered_events_total",
		"Events that the endpoint took (2xx).", []string{"endpoint"}, nil)
	endpointDropped = prometheus.NewDesc("webhookd_endpoint_dropped_events_total",
		"Events that the endpoint's queue dropped, by reason.", []string{"endpoint", "reason"}, nil)
	endpointDeadLettered = prometheus.NewDesc("webhookd_endpoint_dead_lettered_events_total",
		"Events given up, by reason.", []string{"endpoint", "reason"}, nil)
	endpointLost = prometheus.NewDesc("webhookd_endpoint_lost_events_total",
		"Dead-lettered events that nothing kept.", []string{"endpoint"}, nil)
	endpointHeld = prometheus.NewDesc("webhookd_endpoint_held_events",
		"Events not yet delivered, dropped or dead-lettered, by state.", []string{"endpoint", "state"}, nil)
	endpointHeldBytes = prometheus.NewDesc("webhookd_endpoint_held_bytes",
		"Bytes of the events that are held, and of dead letters not yet kept.", []string{"endpoint"}, nil)
	endpointAttempts = prometheus.NewDesc("webhookd_endpoint_attempts_total",
		"Attempts that ended, by outcome.", []string{"endpoint", "outcome"}, nil)
	endpointDuration = prometheus.NewDesc("webhookd_endpoint_request_duration_seconds",
		"How long attempts took, whatever their outcome.", []string{"endpoint"}, nil)
	endpointBreaker = prometheus.NewDesc("webhookd_endpoint_breaker_state",
		"1 for the state in which the endpoint's circuit breaker is, 0 for the others.", []string{"endpoint", "state"}, nil)
)

var (
	storeFailing = prometheus.NewDesc("webhookd_store_failing",
		"1 while the store keeps nothing, and so no receipt is given; 0 otherwise.", nil, nil)
	storeCommits = prometheus.NewDesc("webhookd_store_commits_total",
		"Groups of changes that were written and synced, or failed to be, by result.", []string{"result"}, nil)
	storeEvents = prometheus.NewDesc("webhookd_store_events_total",
		"Events that were written, and those that had ended before (spared).", []string{"fate"}, nil)
	storeWritten = prometheus.NewDesc("webhookd_store_written_bytes_total",
		"Bytes written to the store's file.", nil, nil)
	storeHeld = prometheus.NewDesc("webhookd_store_held_bytes",
		"Bytes of all events that are held, also for absent endpoints; store.max_bytes bounds it.", nil, nil)
	storePending = prometheus.NewDesc("webhookd_store_pending_bytes",
		"Of the bytes held, those of events that are not written yet.", nil, nil)
	storeFile = prometheus.NewDesc("webhookd_store_file_bytes",
		"Size of the store's file, by whether it is used.", []string{"state"}, nil)
	storeLetters = prometheus.NewDesc("webhookd_store_dead_letters",
		"Dead letters that are kept.", nil, nil)
	storeLetterBytes = prometheus.NewDesc("webhookd_store_dead_letter_bytes",
		"Bytes of the dead letters that are kept; dead_letters.max_bytes bounds it.", nil, nil)
	absentHeld = prometheus.NewDesc("webhookd_absent_endpoint_held_events",
		"Events held for an endpoint that the configuration does not have.", []string{"endpoint"}, nil)
)

// sink is where the metrics of one scrape go.
type sink chan<- prometheus.Metric

func (s sink) mailbox(ledger delivery.Ledger) {
	s.counter(mailboxOffered, ledger.Accepted)
	s.counter(mailboxRouted, ledger.Of(delivery.Routed))
	s.counter(mailboxUnwanted, ledger.Of(delivery.Unwanted))
	s.reasons(mailboxDropped, ledger, delivery.KindDropped)
	s.gauge(mailboxQueued, float64(ledger.Held()))
	s.gauge(mailboxQueuedBytes, float64(ledger.Bytes))
}

func (s sink) queue(endpoint string, ledger delivery.Ledger) {
	s.counter(endpointAccepted, ledger.Accepted-ledger.AcceptedReplay-ledger.AcceptedStore, endpoint, "router")
	s.counter(endpointAccepted, ledger.AcceptedStore, endpoint, "store")
	s.counter(endpointAccepted, ledger.AcceptedReplay, endpoint, "replay")
	s.counter(endpointDelivered, ledger.Of(delivery.Delivered), endpoint)
	s.reasons(endpointDropped, ledger, delivery.KindDropped, endpoint)
	s.reasons(endpointDeadLettered, ledger, delivery.KindDeadLettered, endpoint)
	s.counter(endpointLost, ledger.Lost, endpoint)
	s.gauge(endpointHeld, float64(ledger.Waiting), endpoint, "waiting")
	s.gauge(endpointHeld, float64(ledger.InFlight), endpoint, "in_flight")
	s.gauge(endpointHeld, float64(ledger.Retrying), endpoint, "retrying")
	s.gauge(endpointHeldBytes, float64(ledger.Bytes), endpoint)
}

func (s sink) requests(endpoint actors.EndpointStats) {
	for outcome, attempts := range endpoint.Attempts {
		s.counter(endpointAttempts, attempts, endpoint.Name, outcome.String())
	}
	took := endpoint.Duration
	s <- prometheus.MustNewConstHistogram(endpointDuration, took.Count, took.Sum.Seconds(), took.Buckets, endpoint.Name)
}

func (s sink) breaker(endpoint string, is delivery.BreakerState) {
	for _, state := range []delivery.BreakerState{delivery.BreakerClosed, delivery.BreakerOpen, delivery.BreakerHalfOpen} {
		value := 0.0
		if state == is {
			value = 1
		}
		s.gauge(endpointBreaker, value, endpoint, state.String())
	}
}

func (s sink) reasons(desc *prometheus.Desc, ledger delivery.Ledger, kind string, labels ...string) {
	byReason := ledger.ByReason(kind)
	for _, reason := range delivery.Reasons(kind) {
		s.counter(desc, byReason[reason], append(labels, reason)...)
	}
}

func (s sink) counter(desc *prometheus.Desc, value uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

func (s sink) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// store shows nothing where all is in memory.
func (s sink) store(stats router.Stats) {
	of := stats.Store
	if of == nil {
		return
	}
	failing := 0.0
	if of.Failing != nil {
		failing = 1
	}
	s.gauge(storeFailing, failing)
	s.counter(storeCommits, of.Commits, "done")
	s.counter(storeCommits, of.Failed, "failed")
	s.counter(storeEvents, of.Written, "written")
	s.counter(storeEvents, of.Spared, "spared")
	s.counter(storeWritten, of.WrittenBytes)
	s.gauge(storeHeld, float64(of.Held))
	s.gauge(storePending, float64(of.Pending))
	s.gauge(storeFile, float64(of.FileBytes-of.FreeBytes), "used")
	s.gauge(storeFile, float64(of.FreeBytes), "free")
	s.gauge(storeLetters, float64(of.Letters))
	s.gauge(storeLetterBytes, float64(of.LetterBytes))
	for endpoint, held := range stats.Absent {
		s.gauge(absentHeld, float64(held.Events), endpoint)
	}
}
