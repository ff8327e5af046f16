package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

const (
	producers       = 8
	underWay        = 64 // of each producer
	heldEvents      = 1_000_000
	heldBytes       = 400 // of each body, about
	keptConnections = 16
)

// nowhere is an address where nobody listens: an endpoint that is away.
const nowhere = "http://127.0.0.1:1/"

// keeping is a router with a store in a folder.
type keeping struct {
	*router.Handle
	store  *store.Store
	opened time.Duration // how long it took until the router was there
}

// keep starts a router whose only endpoint is at this URL; without a folder all is in memory.
func keep(dir, url string) (*keeping, error) {
	began := time.Now()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.QueueSize, cfg.Webhook.QueueBytes = 20*heldEvents, 64<<30
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "one", URL: url, Workers: keptConnections}}
	quiet := slog.New(slog.DiscardHandler)
	var kept *store.Store
	if dir != "" {
		keeper, err := bolt.Open(dir, quiet)
		if err != nil {
			return nil, err
		}
		if kept, err = store.Open(keeper, cfg.Store, cfg.DeadLetters, quiet); err != nil {
			return nil, err
		}
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	handle, err := router.Spawn(system, cfg, router.WithLogger(quiet), router.WithStore(kept))
	return &keeping{handle, kept, time.Since(began)}, err
}

func (k *keeping) stop() error {
	abandon(k.Handle)
	if k.store == nil {
		return nil
	}
	return k.store.Close()
}

// measureKeeping prints what the store costs, and what it takes to come back with a million events.
func measureKeeping(receiver *receiverProcess, duration time.Duration, rounds int) error {
	fmt.Print("| with a store on disk | measured | beside it, in memory | ratio |\n| --- | --- | --- | --- |\n")
	if err := measureHealthy(receiver, duration, rounds); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "webhookd-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := measureReceipts(dir); err != nil {
		return err
	}
	if err := measureReturn(dir, receiver); err != nil {
		return err
	}
	fmt.Println()
	return nil
}

// measureHealthy compares deliveries to an endpoint that keeps up: twice as many events are on their way as it has workers.
func measureHealthy(receiver *receiverProcess, duration time.Duration, rounds int) error {
	var with, without []float64
	share := 0.0
	for range rounds {
		rate, err := healthyRate("", receiver, duration, nil)
		if err != nil {
			return err
		}
		without = append(without, rate)
		dir, err := os.MkdirTemp("", "webhookd-bench-")
		if err != nil {
			return err
		}
		rate, err = healthyRate(dir, receiver, duration, &share)
		_ = os.RemoveAll(dir)
		if err != nil {
			return err
		}
		with = append(with, rate)
	}
	ours, memory := median(with), median(without)
	fmt.Printf("| deliveries/s to an endpoint that is well | %.0f | %.0f | %.2f |\n", ours, memory, ours/memory)
	fmt.Printf("| bytes written of those delivered | %.1f %% | | |\n", 100*share)
	return nil
}

func healthyRate(dir string, receiver *receiverProcess, duration time.Duration, share *float64) (float64, error) {
	k, err := keep(dir, receiver.url)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- supplyKept(ctx, k) }()
	time.Sleep(warmUp)
	_, before := receiver.report()
	began := time.Now()
	time.Sleep(duration)
	counted, after := receiver.report()
	took := time.Since(began)
	stop()
	err = errors.Join(before, after, <-ended)
	if share != nil {
		delivered := k.Stats().Endpoints[0].Of(delivery.Delivered) * heldBytes
		*share = float64(k.store.Stats().WrittenBytes) / float64(delivered)
	}
	return float64(counted.Events) / took.Seconds(), errors.Join(err, k.stop())
}

func supplyKept(ctx context.Context, k *keeping) error {
	for ctx.Err() == nil {
		stats := k.Handle.Stats()
		for range 2*keptConnections - stats.Endpoints[0].Ledger.Held() - stats.Mailbox.Held() {
			if err := k.NotifyAll(ctx, newHeld()); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// measureReceipts fills the folder with a million events for an endpoint that is away.
func measureReceipts(dir string) error {
	k, err := keep(dir, nowhere)
	if err != nil {
		return err
	}
	began := time.Now()
	var producing sync.WaitGroup
	var failed atomic.Pointer[error]
	for range producers {
		producing.Go(func() {
			free := make(chan struct{}, underWay)
			receipt := func(err error) {
				if err != nil {
					failed.Store(&err)
				}
				<-free
			}
			for range heldEvents / producers {
				free <- struct{}{}
				if err := k.NotifyReceipt(receipt, newHeld()); err != nil {
					failed.Store(&err)
					return
				}
			}
			for range underWay {
				free <- struct{}{}
			}
		})
	}
	producing.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	stats := k.store.Stats()
	fmt.Printf("| receipts/s, all written and synced | %.0f | | |\n", heldEvents/time.Since(began).Seconds())
	fmt.Printf("| events a commit | %.0f | | |\n", float64(stats.Written)/float64(stats.Commits))
	fmt.Printf("| file of a million held events | %d MB | | |\n", stats.FileBytes>>20)
	began = time.Now()
	err = k.stop()
	fmt.Printf("| stop | %.2f s | | |\n", time.Since(began).Seconds())
	return err
}

// measureReturn starts on the folder with an endpoint that is well, and drains it; and the same from memory.
func measureReturn(dir string, receiver *receiverProcess) error {
	if _, err := receiver.report(); err != nil {
		return err
	}
	began := time.Now()
	k, err := keep(dir, receiver.url)
	if err != nil {
		return err
	}
	for k.Stats().Endpoints[0].Ledger.Held() == heldEvents {
		time.Sleep(time.Millisecond)
	}
	first := time.Since(began)
	fmt.Printf("| start with a million held events: the router is there | %.2f s | | |\n", k.opened.Seconds())
	fmt.Printf("| first delivery | %.2f s | | |\n", first.Seconds())
	fmt.Printf("| anonymous memory of this program then | %s | | |\n", anonymous())
	awaitDrained(k)
	ours := heldEvents / (time.Since(began) - first).Seconds()
	stats := k.store.Stats()
	if err := k.stop(); err != nil {
		return err
	}
	memory, err := drainFromMemory(receiver)
	if err != nil {
		return err
	}
	fmt.Printf("| deliveries/s of a drain of a million events | %.0f | %.0f | %.2f |\n", ours, memory, ours/memory)
	fmt.Printf("| file after the drain, and what of it is free | %d MB, %d MB | | |\n", stats.FileBytes>>20, stats.FreeBytes>>20)
	return nil
}

func awaitDrained(k *keeping) {
	for k.Stats().Endpoints[0].Ledger.Held() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
}

// drainFromMemory holds as many events in memory, as JSON, while the endpoint is throttled, and then drains them.
func drainFromMemory(receiver *receiverProcess) (float64, error) {
	k, err := keep("", receiver.url)
	if err != nil {
		return 0, err
	}
	const events = heldEvents / 4 // memory
	made := make([]*messages.Envelope, events)
	for i := range made {
		made[i] = newHeld()
	}
	began := time.Now()
	if err := k.NotifyAll(context.Background(), made...); err != nil {
		return 0, err
	}
	for k.Stats().Mailbox.Held() > 0 {
		time.Sleep(time.Millisecond)
	}
	awaitDrained(k)
	return events / time.Since(began).Seconds(), k.stop()
}

// newHeld is an event with a body of about 400 bytes.
func newHeld() *messages.Envelope {
	event := newPublished("bench/topic")
	event.ContentType = strings.Repeat("x", 100)
	return messages.NewEnvelope(event)
}

// anonymous is this process's anonymous memory, where the system tells.
func anonymous() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range bytes.Lines(status) {
		if text, found := bytes.CutPrefix(line, []byte("RssAnon:")); found {
			kilobytes, _ := strconv.Atoi(string(bytes.Fields(text)[0]))
			return fmt.Sprintf("%d MiB", kilobytes>>10)
		}
	}
	return "unknown"
}
