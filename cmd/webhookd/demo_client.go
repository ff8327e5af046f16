package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	demoTopic    = "demo/temperature"
	demoInterval = time.Second
	demoPatience = 5 * time.Second // with the broker's answers
)

// demoClient is an MQTT 5.0 client that publishes to the demo's broker, and subscribes to what it publishes.
type demoClient struct {
	client    *paho.Client
	published sync.WaitGroup
	cancel    context.CancelFunc
}

func startDemoClient(address string) (*demoClient, error) {
	ctx, cancel := context.WithTimeout(context.Background(), demoPatience)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect the demo's client: %w", err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: connection})
	if _, err = client.Connect(ctx, &paho.Connect{ClientID: "demo-client", KeepAlive: 30, CleanStart: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("connect the demo's client: %w", err), connection.Close())
	}
	subscription := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: demoTopic}}}
	if _, err = client.Subscribe(ctx, subscription); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe the demo's client: %w", err), connection.Close())
	}
	d := &demoClient{client: client}
	publishing, stop := context.WithCancel(context.Background())
	d.cancel = stop
	d.published.Go(func() { d.publish(publishing) })
	return d, nil
}

// publish publishes until it is told to stop, or the broker is gone.
func (d *demoClient) publish(ctx context.Context) {
	ticker := time.NewTicker(demoInterval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		message := &paho.Publish{Topic: demoTopic, QoS: 1, Payload: fmt.Appendf(nil, "reading %d", n)}
		if _, err := d.client.Publish(ctx, message); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (d *demoClient) stop() error {
	d.cancel()
	d.published.Wait()
	if err := d.client.Disconnect(&paho.Disconnect{}); err != nil {
		return fmt.Errorf("disconnect the demo's client: %w", err)
	}
	return nil
}
