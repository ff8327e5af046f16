package actors

import (
	"sync/atomic"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// EndpointStats is one endpoint at one moment. The Ledger's figures belong together; the others may be a moment older.
type EndpointStats struct {
	Name string
	delivery.Ledger
	Breaker  delivery.BreakerState
	Attempts map[messages.OutcomeKind]uint64 // attempts that ended, by outcome
	Duration DurationHistogram
}

// DurationHistogram counts attempts by how long they took.
type DurationHistogram struct {
	Buckets map[float64]uint64 // attempts that took at most so many seconds, for each of DurationBuckets
	Count   uint64
	Sum     time.Duration
}

// DurationBuckets are the upper bounds of DurationHistogram, in seconds.
var DurationBuckets = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// Held is the size of what the endpoint holds, in bytes.
func (e *Endpoint) Held() int64 { return e.backlog.Ledger().Bytes }

// Stats reads the endpoint's state; any goroutine may call it, also after the actor stopped.
func (e *Endpoint) Stats() EndpointStats {
	return EndpointStats{
		Name:     e.name,
		Ledger:   e.backlog.Ledger(),
		Breaker:  delivery.BreakerState(e.breakerState.Load()),
		Attempts: e.measured.byKind(),
		Duration: e.measured.durations(),
	}
}

// attemptStats are written by the endpoint's actor and read by anyone.
type attemptStats struct {
	kinds   [messages.OutcomeLocal + 1]atomic.Uint64
	buckets [len(DurationBuckets) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (s *attemptStats) add(kind messages.OutcomeKind, took time.Duration) {
	s.kinds[kind].Add(1)
	s.nanos.Add(int64(took))
	bucket := 0
	for bucket < len(DurationBuckets) && took.Seconds() > DurationBuckets[bucket] {
		bucket++
	}
	s.buckets[bucket].Add(1)
}

func (s *attemptStats) byKind() map[messages.OutcomeKind]uint64 {
	kinds := map[messages.OutcomeKind]uint64{}
	for _, kind := range messages.OutcomeKinds() {
		kinds[kind] = s.kinds[kind].Load()
	}
	return kinds
}

func (s *attemptStats) durations() DurationHistogram {
	histogram := DurationHistogram{Buckets: map[float64]uint64{}, Sum: time.Duration(s.nanos.Load())}
	for i := range s.buckets {
		histogram.Count += s.buckets[i].Load()
		if i < len(DurationBuckets) {
			histogram.Buckets[DurationBuckets[i]] = histogram.Count
		}
	}
	return histogram
}
