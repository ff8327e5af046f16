package demo

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
	topic           = "demo/temperature"
	publishInterval = time.Second
	patience        = 5 * time.Second // with the broker's answers
)

// publisher is an MQTT 5.0 client that publishes to the demo's broker, and subscribes to what it publishes.
type publisher struct {
	client    *paho.Client
	published sync.WaitGroup
	cancel    context.CancelFunc
}

func startPublisher(address string) (*publisher, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect the demo's client: %w", err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: connection})
	if _, err = client.Connect(ctx, &paho.Connect{ClientID: "demo-client", KeepAlive: 30, CleanStart: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("connect the demo's client: %w", err), connection.Close())
	}
	subscription := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic}}}
	if _, err = client.Subscribe(ctx, subscription); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe the demo's client: %w", err), connection.Close())
	}
	p := &publisher{client: client}
	publishing, stop := context.WithCancel(context.Background())
	p.cancel = stop
	p.published.Go(func() { p.publish(publishing) })
	return p, nil
}

// publish publishes until it is told to stop, or the broker is gone.
func (p *publisher) publish(ctx context.Context) {
	ticker := time.NewTicker(publishInterval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		message := &paho.Publish{Topic: topic, QoS: 1, Payload: fmt.Appendf(nil, "reading %d", n)}
		if _, err := p.client.Publish(ctx, message); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *publisher) stop() error {
	p.cancel()
	p.published.Wait()
	if err := p.client.Disconnect(&paho.Disconnect{}); err != nil {
		return fmt.Errorf("disconnect the demo's client: %w", err)
	}
	return nil
}
