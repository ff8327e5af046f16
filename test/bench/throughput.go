package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

// contender sends events to a URL over so many connections until ctx ends.
type contender struct {
	name string
	send func(ctx context.Context, url string, connections int) error
}

// warmUp is how long a contender runs before it is measured.
const warmUp = 250 * time.Millisecond

var contenders = []contender{
	{"webhookd", sendWithRouter},
	{"bare net/http loop", sendWithBareLoop},
	{"60 lines by hand", sendByHand},
}

// measureThroughput prints deliveries a second, and returns webhookd's with five workers.
func measureThroughput(receiver *receiverProcess, duration time.Duration, rounds int) (float64, error) {
	fmt.Print("| connections | webhookd /s | bare loop /s | by hand /s | webhookd / bare | webhookd / by hand |\n" +
		"| --- | --- | --- | --- | --- | --- |\n")
	withFive := 0.0
	for _, connections := range []int{1, 5, 64} {
		rates := make([][]float64, len(contenders))
		for range rounds {
			for i, c := range contenders { // in turn, so that what disturbs the machine disturbs all
				rate, err := rateOf(c, receiver, connections, duration)
				if err != nil {
					return 0, err
				}
				rates[i] = append(rates[i], rate)
			}
		}
		ours, bare, byHand := median(rates[0]), median(rates[1]), median(rates[2])
		fmt.Printf("| %d | %.0f | %.0f | %.0f | %.2f | %.2f |\n", connections, ours, bare, byHand, ours/bare, ours/byHand)
		if connections == 5 {
			withFive = ours
		}
	}
	fmt.Println()
	return withFive, nil
}

// rateOf counts at the receiver, while the contender is at full speed.
func rateOf(c contender, receiver *receiverProcess, connections int, duration time.Duration) (float64, error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.send(ctx, receiver.url, connections) }()
	time.Sleep(warmUp)
	_, before := receiver.report()
	began := time.Now()
	time.Sleep(duration)
	counted, after := receiver.report()
	took := time.Since(began)
	stop()
	if err := errors.Join(before, after, <-ended); err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	return float64(counted.Events) / took.Seconds(), nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// newPublished is the event of all measurements. Its client id is when it was made, for the receiver to tell how long it
// took.
func newPublished(topic string) *messages.MessagePublished {
	return &messages.MessagePublished{
		ClientID:    strconv.FormatInt(time.Now().UnixNano(), 10),
		Topic:       topic,
		QoS:         1,
		PayloadSize: 256,
	}
}

func sendWithRouter(ctx context.Context, url string, connections int) error {
	handle, err := spawn(config.Endpoint{Name: "one", URL: url, Workers: connections})
	if err != nil {
		return err
	}
	defer abandon(handle)
	return supply(ctx, handle, 2000)
}

// supply keeps so many events on their way until ctx ends.
func supply(ctx context.Context, handle *router.Handle, enough int) error {
	for ctx.Err() == nil {
		if err := topUp(handle, enough); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// topUp keeps the endpoint supplied without filling memory.
func topUp(handle *router.Handle, enough int) error {
	stats := handle.Stats()
	for range enough - stats.Endpoints[0].Held() - stats.Mailbox.Held() {
		if err := handle.Notify(context.Background(), newPublished("bench/topic")); err != nil {
			return err
		}
	}
	return nil
}
