// Command bench measures webhookd side by side with what it is compared with, in one run, and prints tables in Markdown.
// The receiver is a process of its own. Read the ratios: the absolute figures are the machine's.
//
//	go run ./test/bench [-seconds 3] [-rounds 3] [-store]
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

// receiverRole in the environment makes this program the receiver.
const receiverRole = "WEBHOOKD_BENCH_RECEIVER"

func main() {
	seconds := flag.Int("seconds", 3, "how long each measurement takes")
	rounds := flag.Int("rounds", 3, "how often each is taken; the median counts")
	storeOnly := flag.Bool("store", false, "measure the store alone")
	flag.Parse()
	var err error
	if os.Getenv(receiverRole) != "" {
		err = receive(os.Stdin, os.Stdout)
	} else {
		err = measure(time.Duration(*seconds)*time.Second, *rounds, *storeOnly)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(duration time.Duration, rounds int, storeOnly bool) error {
	receiver, err := startReceiver()
	if err != nil {
		return err
	}
	defer receiver.stop()
	fmt.Printf("%s, %s/%s, %d cores, the receiver in a process of its own; medians of %d rounds of %v\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds, duration)
	if storeOnly {
		return measureKeeping(receiver, duration, rounds)
	}
	withFive, err := measureThroughput(receiver, duration, rounds)
	if err != nil {
		return err
	}
	if err := measureBatches(receiver, duration, rounds); err != nil {
		return err
	}
	if err := measureLatency(receiver, withFive, duration, rounds); err != nil {
		return err
	}
	if err := measureMany(receiver, duration); err != nil {
		return err
	}
	return measureKeeping(receiver, duration, rounds)
}

// spawn starts a router with these endpoints, which may hold as much as a measurement needs.
func spawn(endpoints ...config.Endpoint) (*router.Handle, error) {
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.QueueSize = 1_000_000
	cfg.Webhook.QueueBytes = 1 << 30
	cfg.Webhook.Endpoints = endpoints
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	return router.Spawn(system, cfg, router.WithLogger(quiet))
}
