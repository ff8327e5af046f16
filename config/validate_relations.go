package config

import (
	"fmt"
	"slices"
)

// relations are the settings of an endpoint, or of all, that have to fit each other.
type relations struct {
	queuePath, deliveryPath string   // of what they may be said below
	given                   Endpoint // what is said there
	resolved                Endpoint // and what is inherited
}

// candidate is one of several keys that don't fit each other.
type candidate struct {
	given   bool
	path    string
	message string
}

// blame reports the first candidate that was given, and nothing where none was: then they are wrong where they come from.
func (f *findings) blame(candidates ...candidate) {
	if i := slices.IndexFunc(candidates, func(c candidate) bool { return c.given }); i >= 0 {
		f.report(candidates[i].path, "%s", candidates[i].message)
	}
}

func (f *findings) checkRelations(r relations, w Webhook) {
	f.checkInFlight(r)
	f.checkIntervals(r)
	f.checkFormats(r, w)
	f.checkRequestOfOne(r)
	f.checkIdentity(r)
	f.checkKeyPair(r)
	if r.resolved.RateLimit.PerSecond == 0 {
		f.blame(candidate{r.given.RateLimit.Burst != 0, r.deliveryPath + ".rate_limit.burst", "needs per_second beside it"})
	}
}

func (f *findings) checkInFlight(r relations) {
	workers, size, events := r.resolved.Workers, r.resolved.QueueSize, r.resolved.Batch.MaxEvents
	if size < MinQueueSize || events > maxBatchEvents || workers > maxWorkers {
		return
	}
	if workers > size {
		f.blame(
			candidate{r.given.Workers != 0, r.queuePath + ".workers",
				fmt.Sprintf("is %d, more than queue_size, which is %d", workers, size)},
			candidate{r.given.QueueSize != 0, r.queuePath + ".queue_size",
				fmt.Sprintf("is %d, less than workers, which is %d", size, workers)},
		)
	} else if inFlight := workers * events; r.resolved.Batch.Batches() && inFlight > size {
		f.blame(
			candidate{r.given.Batch.MaxEvents != 0, r.deliveryPath + ".batch.max_events",
				fmt.Sprintf("is %d, and with %d workers %d events may be in flight, more than queue_size, which is %d", events, workers, inFlight, size)},
			candidate{r.given.Workers != 0, r.queuePath + ".workers",
				fmt.Sprintf("is %d, and with batches of %d events %d may be in flight, more than queue_size, which is %d", workers, events, inFlight, size)},
			candidate{r.given.QueueSize != 0, r.queuePath + ".queue_size",
				fmt.Sprintf("is %d, less than the %d events that %d workers with batches of %d may have in flight", size, inFlight, workers, events)},
		)
	}
}

func (f *findings) checkIntervals(r relations) {
	initial, longest := r.resolved.Retry.InitialInterval, r.resolved.Retry.MaxInterval
	if initial <= longest || longest < minDuration {
		return
	}
	f.blame(
		candidate{r.given.Retry.InitialInterval != 0, r.deliveryPath + ".retry.initial_interval",
			fmt.Sprintf("is %v, more than max_interval, which is %v", initial, longest)},
		candidate{r.given.Retry.MaxInterval != 0, r.deliveryPath + ".retry.max_interval",
			fmt.Sprintf("is %v, less than initial_interval, which is %v", longest, initial)},
	)
}

func (f *findings) checkKeyPair(r relations) {
	given, resolved, path := r.given.TLS, r.resolved.TLS, r.deliveryPath+".tls"
	switch {
	case resolved.CertFile != "" && resolved.KeyFile == "":
		f.blame(candidate{given.CertFile != "", path + ".key_file", "is required beside cert_file"})
	case resolved.KeyFile != "" && resolved.CertFile == "":
		f.blame(candidate{given.KeyFile != "", path + ".cert_file", "is required beside key_file"})
	}
}
