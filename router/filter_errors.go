package router

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// filterErrorInterval is the time between two lines about one endpoint's filter.
const filterErrorInterval = 10 * time.Second

// filterErrors counts the events that an endpoint did not get because its filter could not be evaluated, and logs some of
// them. Anyone may read the count; the rest belongs to the router's actor.
type filterErrors struct {
	count  atomic.Uint64
	logged uint64    // of the count, those that a line told of
	next   time.Time // no line before then
}

func (f *filterErrors) add(now time.Time, log *slog.Logger, endpoint string, event *messages.Envelope, err error) {
	count := f.count.Add(1)
	if now.Before(f.next) {
		return
	}
	log.Warn("an endpoint's filter could not be evaluated, so it does not get the event",
		"endpoint", endpoint, "event_id", event.ID, "event_type", event.Type().String(), "error", err, "not_logged", count-f.logged-1)
	f.logged, f.next = count, now.Add(filterErrorInterval)
}
