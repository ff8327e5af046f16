package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

// measureLatency prints how long events are on their way from Notify to the receiver at steady rates, without and with
// an endpoint beside that never answers and drops what its queue does not hold.
func measureLatency(receiver *receiverProcess, most float64, duration time.Duration, rounds int) error {
	fmt.Print("| events a second | beside the endpoint | p50 | p99 | p99.9 |\n| --- | --- | --- | --- | --- |\n")
	for _, part := range []float64{0.1, 0.25, 0.5} {
		if err := measureLatencyAt(receiver, part*most, duration, rounds); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func measureLatencyAt(receiver *receiverProcess, rate float64, duration time.Duration, rounds int) error {
	healthy := config.Endpoint{Name: "healthy", URL: receiver.url}
	hung := config.Endpoint{Name: "hung", URL: receiver.url + "/hung", Timeout: time.Hour, QueueSize: 10_000}
	beside := []string{"nothing", "a hung endpoint"}
	var quantiles [2][3][]float64 // of each case, in nanoseconds
	for range rounds {
		for i, endpoints := range [][]config.Endpoint{{healthy}, {healthy, hung}} {
			report, err := latencyOf(receiver, rate, duration, endpoints)
			if err != nil {
				return err
			}
			for q, latency := range []time.Duration{report.P50, report.P99, report.P999} {
				quantiles[i][q] = append(quantiles[i][q], float64(latency))
			}
		}
	}
	for i, name := range beside {
		fmt.Printf("| %.0f | %s |", rate, name)
		for _, latencies := range quantiles[i] {
			fmt.Printf(" %v |", time.Duration(median(latencies)).Round(time.Microsecond))
		}
		fmt.Println()
	}
	return nil
}

func latencyOf(receiver *receiverProcess, rate float64, duration time.Duration, endpoints []config.Endpoint) (report, error) {
	handle, err := spawn(endpoints...)
	if err != nil {
		return report{}, err
	}
	notifySteadily(handle, rate, time.Second) // opens the connections
	if _, err := receiver.report(); err != nil {
		return report{}, err
	}
	notifySteadily(handle, rate, duration)
	r, err := receiver.report()
	abandon(handle)
	return r, err
}

// notifySteadily hands over the events that are due, a few at each tick.
func notifySteadily(handle *router.Handle, rate float64, duration time.Duration) {
	began := time.Now()
	for sent := 0.0; time.Since(began) < duration; time.Sleep(200 * time.Microsecond) {
		for due := rate * time.Since(began).Seconds(); sent < due; sent++ {
			_ = handle.Notify(context.Background(), newPublished("bench/topic")) // the queue is larger than the run
		}
	}
}
