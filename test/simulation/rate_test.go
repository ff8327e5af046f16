package simulation

import (
	"time"

	"github.com/fluxmq/webhookd/config"
)

// rateReading is a bucket that each request takes a token from, and that time fills. A token is the time that makes one.
type rateReading struct {
	token    time.Duration // 0: no limit
	capacity time.Duration
	level    time.Duration
	at       time.Time // when it held level
}

func newRateReading(limit config.RateLimit, now time.Time) rateReading {
	if limit.PerSecond == 0 {
		return rateReading{}
	}
	token := time.Duration(float64(time.Second) / limit.PerSecond)
	capacity := token * time.Duration(max(1, limit.Burst))
	return rateReading{token: token, capacity: capacity, level: capacity, at: now}
}

func (r *rateReading) fill(now time.Time) {
	r.level = min(r.capacity, r.level+now.Sub(r.at))
	r.at = now
}

// freeAt is when a request may go out.
func (r *rateReading) freeAt(now time.Time) time.Time {
	r.fill(now)
	return now.Add(max(0, r.token-r.level))
}

func (r *rateReading) take(now time.Time) {
	r.fill(now)
	r.level -= r.token
}
