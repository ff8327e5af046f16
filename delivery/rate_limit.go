package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// rateLimit spaces requests by the generic cell rate algorithm (ITU-T I.371): one each interval on average, and up to
// burst of them at once after a silence. Its zero value lets all through.
type rateLimit struct {
	interval  time.Duration
	tolerance time.Duration
	next      time.Time // when a request would go out that kept strictly to the interval
}

func newRateLimit(settings config.RateLimit) rateLimit {
	if settings.PerSecond == 0 {
		return rateLimit{}
	}
	interval := time.Duration(float64(time.Second) / settings.PerSecond)
	return rateLimit{interval: interval, tolerance: time.Duration(max(settings.Burst, 1)-1) * interval}
}

// freeAt is when the next request may go out; a time that has passed means at once.
func (r *rateLimit) freeAt() time.Time { return r.next.Add(-r.tolerance) }

// spend takes note of a request.
func (r *rateLimit) spend(now time.Time) {
	if r.interval > 0 {
		if r.next.Before(now) {
			r.next = now
		}
		r.next = r.next.Add(r.interval)
	}
}
