package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// batchConnections is the default of workers.
const batchConnections = 5

// measureBatches prints how many events a second are delivered when a request carries several.
func measureBatches(receiver *receiverProcess, duration time.Duration, rounds int) error {
	fmt.Print("| max_events | events /s | against one event a request |\n| --- | --- | --- |\n")
	sizes := []int{1, 10, 100, 1000}
	rates := make([][]float64, len(sizes))
	for range rounds {
		for i, size := range sizes {
			rate, err := rateOf(sendInBatches(size), receiver, batchConnections, duration)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	alone := median(rates[0])
	for i, size := range sizes {
		fmt.Printf("| %d | %.0f | %.1f |\n", size, median(rates[i]), median(rates[i])/alone)
	}
	fmt.Println()
	return nil
}

func sendInBatches(size int) contender {
	return contender{fmt.Sprintf("webhookd in batches of %d", size), func(ctx context.Context, url string, connections int) error {
		handle, err := spawn(config.Endpoint{
			Name: "one", URL: url, Workers: connections, Batch: config.Batch{MaxEvents: size, MaxWait: 10 * time.Millisecond},
		})
		if err != nil {
			return err
		}
		defer abandon(handle)
		return supply(ctx, handle, max(20_000, 20*size))
	}}
}
