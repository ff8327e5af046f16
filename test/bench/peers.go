package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
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
func sendWithBareLoop(ctx context.Context, url string, connections int) error {
	client := newPeerClient(connections)
	defer client.CloseIdleConnections()
	envelope := messages.NewEnvelope(newPublished("bench/topic"))
	if err := envelope.Admit(messages.Admission{BrokerID: "bench"}, time.Now()); err != nil {
		return err
	}
	body := envelope.Body()
	var loops sync.WaitGroup
	for range connections {
		loops.Go(func() {
			for post(ctx, client, url, body) == nil {
			}
		})
	}
	loops.Wait()
	return nil
}

// sendByHand is what a person would write instead: a buffered channel, a worker pool, a breaker and a backoff from
// libraries.
func sendByHand(ctx context.Context, url string, connections int) error {
	client := newPeerClient(connections)
	defer client.CloseIdleConnections()
	breaker := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= 5 },
	})
	events := make(chan *messages.MessagePublished, 2000)
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
				_, _ = backoff.Retry(ctx, func() (struct{}, error) {
					return breaker.Execute(func() (struct{}, error) { return struct{}{}, post(ctx, client, url, body) })
				}, backoff.WithMaxTries(3))
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
	return nil
}
