package service

import (
	"log/slog"
	"slices"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/router"
)

// summarize logs what became of every event, for the mailbox and each endpoint; nothing where none came.
func (s *Service) summarize() {
	stats := s.Router.Stats()
	if !acceptedAny(stats) {
		return
	}
	s.log.Info("summary of the mailbox",
		"offered", stats.Mailbox.Accepted,
		"routed", stats.Mailbox.Of(delivery.Routed),
		"unwanted", stats.Mailbox.Of(delivery.Unwanted),
		fates(stats.Mailbox, delivery.KindDropped),
	)
	for _, endpoint := range stats.Endpoints {
		s.log.Info("summary of an endpoint",
			"endpoint", endpoint.Name,
			"accepted", endpoint.Accepted,
			"delivered", endpoint.Of(delivery.Delivered),
			fates(endpoint.Ledger, delivery.KindDropped),
			fates(endpoint.Ledger, delivery.KindDeadLettered),
			"kept", endpoint.Kept,
			"lost", endpoint.Lost,
		)
	}
	if lost := stats.Lost(); lost > 0 {
		s.complainOf(lost)
	}
	if kept := stats.Kept(); kept > 0 {
		s.log.Info("events are kept in the store: the next start delivers them", "events", kept)
	}
	s.tellOfFullQueues(stats)
}

func (s *Service) complainOf(lost uint64) {
	s.log.Error("events are LOST: they were still held, and no place keeps them", "events", lost,
		"advice", "set store.dir, or give shutdown_timeout more time")
}

// tellOfFullQueues says what the exit code does not tell: what gave way was never promised to anyone.
func (s *Service) tellOfFullQueues(stats router.Stats) {
	evicted, refused := stats.Mailbox.Of(delivery.DroppedEvicted), stats.Mailbox.Of(delivery.DroppedRefused)
	for _, endpoint := range stats.Endpoints {
		evicted += endpoint.Of(delivery.DroppedEvicted)
		refused += endpoint.Of(delivery.DroppedRefused)
	}
	if evicted+refused > 0 {
		s.log.Warn("events were evicted from full queues, or refused by them", "evicted", evicted, "refused", refused,
			"advice", "give queue_size and queue_bytes more room, or the endpoints more workers")
	}
}

// acceptedAny tells whether there is an event to tell of: one that came, or a dead letter that was replayed.
func acceptedAny(stats router.Stats) bool {
	return stats.Mailbox.Accepted > 0 ||
		slices.ContainsFunc(stats.Endpoints, func(e actors.EndpointStats) bool { return e.Accepted > 0 })
}

// fates is how many events had a fate of this kind, and how many for each reason.
func fates(ledger delivery.Ledger, kind string) slog.Attr {
	attrs := []slog.Attr{slog.Uint64("total", ledger.Total(kind))}
	for reason, events := range ledger.ByReason(kind) {
		attrs = append(attrs, slog.Uint64(reason, events))
	}
	return slog.GroupAttrs(kind, attrs...)
}
