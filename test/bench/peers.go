package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/fluxmq/webhookd/messages"
)

func newPeerClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 5 * time.Second}
}

// post sends one body and drains the answer, so that the connection serves again.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// sendWithBareLoop is the least that a client can do: the same bytes again and again.
func sendWithBareLoop(ctx context.Context, url string, connections int) (int, error) {
	client := newPeerClient(connections)
	defer client.CloseIdleConnections()
	envelope := messages.NewEnvelope(newPublished("bench/topic"))
	if err := envelope.Admit(messages.Admission{BrokerID: "bench"}, time.Now()); err != nil {
		return 0, err
	}
	body, err := envelope.Body()
	if err != nil {
		return 0, err
	}
	var delivered atomic.Int64
	var loops sync.WaitGroup
	for range connections {
		loops.Go(func() {
			for post(ctx, client, url, body) == nil {
				delivered.Add(1)
			}
		})
	}
	loops.Wait()
	return int(delivered.Load()), nil
}

// sendByHand is what a person would write instead: a buffered channel, a worker pool, a breaker and a backoff from
// libraries.
func sendByHand(ctx context.Context, url string, connections int) (int, error) {
	client := newPeerClient(connections)
	defer client.CloseIdleConnections()
	breaker := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= 5 },
	})
	events := make(chan *messages.MessagePublished, 2000)
	var delivered atomic.Int64
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for event := range events {
				body, err := json.Marshal(map[string]any{
					"event_type": event.EventType(), "event_id": time.Now().UnixNano(), "timestamp": time.Now(),
					"broker_id": "bench", "data": event,
				})
				if err != nil {
					continue
				}
				_, err = backoff.Retry(ctx, func() (struct{}, error) {
					return breaker.Execute(func() (struct{}, error) { return struct{}{}, post(ctx, client, url, body) })
				}, backoff.WithMaxTries(3))
				if err == nil {
					delivered.Add(1)
				}
			}
		})
	}
	for ctx.Err() == nil {
		select {
		case events <- newPublished("bench/topic"):
		case <-ctx.Done():
		}
	}
	close(events)
	workers.Wait()
	if delivered.Load() == 0 {
		return 0, errors.New("nothing was delivered")
	}
	return int(delivered.Load()), nil
}
