package delivery

import (
	"math"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// backoff is the wait after the n-th failed attempt of an event, n = 0 being the first: initial_interval × multiplier^n,
// capped by max_interval. With the defaults (1s, 2, 30s): 1s, 2s, 4s, 8s, 16s, 30s, 30s …
func backoff(retry config.Retry, n int) time.Duration {
	wait := float64(retry.InitialInterval) * math.Pow(retry.Multiplier, float64(n))
	if wait >= float64(retry.MaxInterval) {
		return retry.MaxInterval
	}
	return time.Duration(math.Round(wait))
}
