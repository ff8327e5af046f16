package mqttbroker

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

const patience = 10 * time.Second

// login is what a test's client says of itself.
type login struct {
	id, username, password string
	resume                 bool                // no clean start, and a session that outlives the connection
	will                   string              // the topic of a will with the payload "gone"
	willProperties         paho.UserProperties // of MQTT 5.0 only
}

// client is a real MQTT client of either version.
type client struct {
	id, addr     string
	received     chan string // payloads
	publish      func(topic string, qos byte, retain bool, payload string)
	publishMQTT5 func(*paho.Publish) // nil where the client is of MQTT 3.1.1
	subscribe    func(subscriptionID int, filters map[string]byte)
	unsubscribe  func(filters ...string)
	disconnect   func()
	sever        func() // closes the connection without a word
}

// awaitMessage waits for the next message and checks its payload.
func (c *client) awaitMessage(t *testing.T, payload string) {
	t.Helper()
	select {
	case received := <-c.received:
		require.Equal(t, payload, received)
	case <-time.After(patience):
		require.FailNow(t, "no message came", "waiting for %q", payload)
	}
}

// dialer connects a client, and fails the test if it can't.
type dialer func(t *testing.T, address net.Addr, as login) *client

// withBothVersions runs a test with a client of MQTT 3.1.1 and with one of MQTT 5.0.
func withBothVersions(t *testing.T, test func(t *testing.T, dial dialer, protocol string)) {
	t.Run("mqtt3", func(t *testing.T) { test(t, dialMQTT3, messages.ProtocolMQTT3) })
	t.Run("mqtt5", func(t *testing.T) { test(t, dialMQTT5, messages.ProtocolMQTT5) })
}

func dialMQTT3(t *testing.T, address net.Addr, as login) *client {
	conn := dialTCP(t, address)
	c := &client{id: as.id, addr: conn.LocalAddr().String(), received: make(chan string, 100)}
	options := mqtt3.NewClientOptions().
		AddBroker("tcp://" + address.String()).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt3.ClientOptions) (net.Conn, error) { return conn, nil }).
		SetClientID(as.id).SetUsername(as.username).SetPassword(as.password).
		SetCleanSession(!as.resume).SetKeepAlive(30 * time.Second).
		SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).
		SetDefaultPublishHandler(func(_ mqtt3.Client, m mqtt3.Message) { c.received <- string(m.Payload()) })
	if as.will != "" {
		options.SetWill(as.will, "gone", 1, false)
	}
	p := mqtt3.NewClient(options)
	await := func(token mqtt3.Token) { require.True(t, token.WaitTimeout(patience)) }
	connected := p.Connect()
	await(connected)
	require.NoError(t, connected.Error())
	t.Cleanup(func() { p.Disconnect(0) })
	c.publish = func(topic string, qos byte, retain bool, payload string) {
		await(p.Publish(topic, qos, retain, payload))
	}
	c.subscribe = func(_ int, filters map[string]byte) { await(p.SubscribeMultiple(filters, nil)) }
	c.unsubscribe = func(filters ...string) { await(p.Unsubscribe(filters...)) }
	c.disconnect = func() { p.Disconnect(100) }
	c.sever = func() { _ = conn.Close() }
	return c
}

func dialMQTT5(t *testing.T, address net.Addr, as login) *client {
	conn := dialTCP(t, address)
	c := &client{id: as.id, addr: conn.LocalAddr().String(), received: make(chan string, 100)}
	p := paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			c.received <- string(r.Packet.Payload)
			return true, nil
		}},
	})
	connect := &paho.Connect{
		ClientID: as.id, CleanStart: !as.resume, KeepAlive: 30,
		Username: as.username, UsernameFlag: as.username != "",
		Password: []byte(as.password), PasswordFlag: as.password != "",
		Properties: &paho.ConnectProperties{TopicAliasMaximum: new(uint16(10))},
	}
	if as.resume {
		connect.Properties.SessionExpiryInterval = new(uint32(3600))
	}
	if as.will != "" {
		connect.WillMessage = &paho.WillMessage{Topic: as.will, Payload: []byte("gone"), QoS: 1}
		connect.WillProperties = &paho.WillProperties{User: as.willProperties}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := p.Connect(ctx, connect)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Disconnect(&paho.Disconnect{}); <-p.Done() })
	// What the broker refuses is an error of these calls; the events tell it.
	within := func(call func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		call(ctx)
		require.NoError(t, ctx.Err())
	}
	c.publishMQTT5 = func(publish *paho.Publish) {
		within(func(ctx context.Context) { _, _ = p.Publish(ctx, publish) })
	}
	c.publish = func(topic string, qos byte, retain bool, payload string) {
		c.publishMQTT5(&paho.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: []byte(payload)})
	}
	c.subscribe = func(subscriptionID int, filters map[string]byte) {
		subscribe := &paho.Subscribe{}
		if subscriptionID != 0 {
			subscribe.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: &subscriptionID}
		}
		for filter, qos := range filters {
			subscribe.Subscriptions = append(subscribe.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: qos})
		}
		within(func(ctx context.Context) { _, _ = p.Subscribe(ctx, subscribe) })
	}
	c.unsubscribe = func(filters ...string) {
		within(func(ctx context.Context) { _, _ = p.Unsubscribe(ctx, &paho.Unsubscribe{Topics: filters}) })
	}
	c.disconnect = func() { _ = p.Disconnect(&paho.Disconnect{}) }
	c.sever = func() { _ = conn.Close() }
	return c
}

func dialTCP(t *testing.T, address net.Addr) net.Conn {
	conn, err := net.DialTimeout("tcp", address.String(), patience)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dialRaw connects without a client's library and sends the bytes.
func dialRaw(t *testing.T, address net.Addr, bytes ...byte) net.Conn {
	conn := dialTCP(t, address)
	_, err := conn.Write(bytes)
	require.NoError(t, err)
	return conn
}

// connectPacket is a CONNECT with a clean start and the client id "raw" (MQTT 3.1.1 §3.1, MQTT 5.0 §3.1).
func connectPacket(version, keepAlive byte) []byte {
	header := []byte{0, 4, 'M', 'Q', 'T', 'T', version, 2, 0, keepAlive}
	if version == 5 {
		header = append(header, 0)
	}
	body := append(header, 0, 3, 'r', 'a', 'w')
	return append([]byte{0x10, byte(len(body))}, body...)
}
