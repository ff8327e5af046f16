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
	reconnectWait   = 200 * time.Millisecond
)

// publisher is an MQTT 5.0 client that publishes to the demo's broker, and subscribes to what it publishes. What got no
// acknowledgement it publishes again when the broker is back.
type publisher struct {
	address      string
	publishing   sync.WaitGroup
	cancel       context.CancelFunc
	acknowledged []string // payloads
}

func startPublisher(address string) *publisher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{address: address, cancel: cancel}
	p.publishing.Go(func() { p.publish(ctx) })
	return p
}

func (p *publisher) connect(ctx context.Context) (*paho.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
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
	return client, nil
}

// publish publishes until it is told to stop.
func (p *publisher) publish(ctx context.Context) {
	var client *paho.Client
	for n := 1; ; {
		payload := fmt.Sprint("reading ", n)
		wait := publishInterval
		var err error
		if client == nil {
			client, err = p.connect(ctx)
		}
		if err == nil {
			_, err = client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)})
		}
		if err == nil {
			p.acknowledged = append(p.acknowledged, payload)
			n++
		} else {
			client, wait = nil, reconnectWait
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			if client != nil {
				_ = client.Disconnect(&paho.Disconnect{}) // the broker is about to stop
			}
			return
		}
	}
}

// stop ends the client, and returns the payloads that the broker acknowledged.
func (p *publisher) stop() []string {
	p.cancel()
	p.publishing.Wait()
	return p.acknowledged
}
