package actors

import (
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/delivery"
)

// dropInterval is the time between two lines about drops.
const dropInterval = time.Second

// DropReport logs the drops of a backlog, at most once a second, with the number since the last time. It belongs to the
// actor that owns the backlog.
type DropReport struct {
	Pending bool      // there are drops to report
	Next    time.Time // not before then
}

// Log reports what is pending unless it is too early.
func (r *DropReport) Log(now time.Time, log *slog.Logger, backlog *delivery.Backlog) {
	if !r.Pending || now.Before(r.Next) {
		return
	}
	r.Pending, r.Next = false, now.Add(dropInterval)
	r.LogRest(log, backlog)
}

// LogRest reports what was dropped since the last time, however early: the actor stops.
func (r *DropReport) LogRest(log *slog.Logger, backlog *delivery.Backlog) {
	for reason, events := range backlog.DroppedSince() {
		log.Warn("events dropped", "reason", reason, "events", events)
	}
}
