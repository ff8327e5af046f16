package httpclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkSend against BenchmarkBareClient is the price of a Client over a plain loop.
func BenchmarkSend(b *testing.B) {
	onConnections(b, func(b *testing.B, url string, connections int) func() error {
		endpoint := endpointAt(url)
		endpoint.Workers = connections
		client, event := newClient(b, endpoint), newEvent(b, 256)
		return func() error { return client.sendEvent(context.Background(), event).Err }
	})
}

func BenchmarkBareClient(b *testing.B) {
	onConnections(b, func(b *testing.B, url string, connections int) func() error {
		body := newEvent(b, 256).Body()
		transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
		b.Cleanup(transport.CloseIdleConnections)
		client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		return func() error { return post(client, url, body) }
	})
}

func post(client *http.Client, url string, body []byte) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "webhookd")
	request.Header.Set("Webhook-Id", "550e8400-e29b-41d4-a716-446655440000")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// onConnections runs what prepare returns, over one connection and over five, against a receiver that answers with 200
// bytes.
func onConnections(b *testing.B, prepare func(b *testing.B, url string, connections int) func() error) {
	answer := strings.Repeat("x", 200)
	server := serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	})
	for _, connections := range []int{1, 5} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			deliver := prepare(b, server.URL, connections)
			b.ReportAllocs()
			b.ResetTimer()
			var started atomic.Int64
			var workers sync.WaitGroup
			for range connections {
				workers.Go(func() {
					for started.Add(1) <= int64(b.N) {
						if err := deliver(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			workers.Wait()
		})
	}
}
