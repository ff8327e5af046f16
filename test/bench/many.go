package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

const manyEndpoints = 1000

// measureMany prints what a thousand endpoints cost: at rest, at work, and while they hold events.
func measureMany(receiver *receiverProcess, duration time.Duration) error {
	fmt.Print("| a thousand endpoints | |\n| --- | --- |\n")
	before := heap()
	handle, err := spawn(manyAt(receiver.url)...)
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // every actor has started
	fmt.Printf("| memory of an idle endpoint | %.1f KiB |\n", (heap()-before)/manyEndpoints/1024)

	began := time.Now()
	for time.Since(began) < duration {
		if err := topUpMany(handle); err != nil {
			return err
		}
	}
	fmt.Printf("| deliveries to all of them | %.0f /s |\n", float64(deliveredToAll(handle))/time.Since(began).Seconds())
	abandon(handle)
	return measureHeld()
}

func manyAt(url string) []config.Endpoint {
	endpoints := make([]config.Endpoint, manyEndpoints)
	for i := range endpoints {
		endpoints[i] = config.Endpoint{Name: fmt.Sprint(i), URL: url, Workers: 1, TopicFilters: []string{fmt.Sprintf("site/%d/#", i)}}
	}
	return endpoints
}

// topUpMany hands every endpoint an event when the last round is nearly done.
func topUpMany(handle *router.Handle) error {
	if held(handle) > 2*manyEndpoints {
		time.Sleep(time.Millisecond)
		return nil
	}
	for i := range manyEndpoints {
		if err := handle.Notify(context.Background(), newPublished(fmt.Sprintf("site/%d/temperature", i))); err != nil {
			return err
		}
	}
	return nil
}

// measureHeld prints what an event costs that waits, and one that waits for a retry, at an endpoint where nobody listens.
func measureHeld() error {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	url := "http://" + nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	bodyBytes, err := bodyOfPublished()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name      string
		threshold int
	}{
		{"memory of an event that waits", 1},
		{"memory of an event that waits for a retry", 1_000_000},
	} {
		perEvent, err := memoryOfHeld(config.Endpoint{Name: "away", URL: url, Workers: 16,
			Retry:          config.Retry{InitialInterval: time.Hour, MaxInterval: time.Hour},
			CircuitBreaker: config.CircuitBreaker{FailureThreshold: c.threshold, ResetTimeout: time.Hour}}, c.threshold > 1)
		if err != nil {
			return err
		}
		fmt.Printf("| %s, of 100,000 | %.0f bytes: its body and %.0f |\n", c.name, perEvent, perEvent-bodyBytes)
	}
	return nil
}

func memoryOfHeld(endpoint config.Endpoint, retrying bool) (float64, error) {
	const events = 100_000
	handle, err := spawn(endpoint)
	if err != nil {
		return 0, err
	}
	defer abandon(handle)
	before := heap()
	for range events {
		if err := handle.Notify(context.Background(), newPublished("bench/topic")); err != nil {
			return 0, err
		}
	}
	for handle.Stats().Mailbox.Held() > 0 || retrying && handle.Stats().Endpoints[0].Retrying < events {
		time.Sleep(10 * time.Millisecond)
	}
	return (heap() - before) / events, nil
}

func bodyOfPublished() (bytes float64, err error) {
	envelope := messages.NewEnvelope(newPublished("bench/topic"))
	if err := envelope.Admit(messages.Admission{BrokerID: config.DefaultBrokerID}, time.Now()); err != nil {
		return 0, err
	}
	return float64(len(envelope.Body())), nil
}

func held(handle *router.Handle) int {
	total := 0
	for _, endpoint := range handle.Stats().Endpoints {
		total += endpoint.Held()
	}
	return total
}

func deliveredToAll(handle *router.Handle) (delivered uint64) {
	for _, endpoint := range handle.Stats().Endpoints {
		delivered += endpoint.Of(delivery.Delivered)
	}
	return delivered
}

// abandon closes a router at once, whatever it holds.
func abandon(handle *router.Handle) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = handle.Close(ended)
}

// heap is the memory in use after a collection.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
