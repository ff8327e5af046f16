package service

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/router"
)

const (
	drainReportInterval  = 5 * time.Second
	maxReportedEndpoints = 10 // those that hold most
)

// drain closes the router, and now and then says what that waits for.
func (s *Service) drain(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() { closed <- s.Router.Close(ctx) }()
	report := time.NewTicker(drainReportInterval)
	defer report.Stop()
	for {
		select {
		case err := <-closed:
			return err
		case <-report.C:
			s.reportDrain(s.Router.Stats())
		}
	}
}

func (s *Service) reportDrain(stats router.Stats) {
	holding := slices.DeleteFunc(stats.Endpoints, func(e actors.EndpointStats) bool { return e.Held() == 0 })
	slices.SortStableFunc(holding, func(a, b actors.EndpointStats) int { return cmp.Compare(b.Held(), a.Held()) })
	held := stats.Mailbox.Held()
	for _, endpoint := range holding {
		held += endpoint.Held()
	}
	s.log.Info("draining", "events", held, "not_routed_yet", stats.Mailbox.Held(), "endpoints", len(holding))
	for _, endpoint := range holding[:min(len(holding), maxReportedEndpoints)] {
		s.log.Info("draining waits for an endpoint",
			"endpoint", endpoint.Name,
			"why", whyHeld(endpoint),
			"in_flight", endpoint.InFlight,
			"waiting", endpoint.Waiting,
			"retrying", endpoint.Retrying,
			"breaker", endpoint.Breaker.String(),
		)
	}
}

// whyHeld is what an endpoint that holds events waits for first.
func whyHeld(e actors.EndpointStats) string {
	switch {
	case e.Breaker == delivery.BreakerOpen:
		return "breaker open"
	case e.Breaker == delivery.BreakerHalfOpen:
		return "breaker half open: its probe is in flight"
	case e.InFlight > 0:
		return "requests in flight"
	case e.Retrying > 0:
		return "waiting for a retry"
	default:
		return "waiting to be sent"
	}
}
