package e2e

import (
	"context"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/test/webhookd"
)

// client is an MQTT client of either version, as far as the tests need one.
type client interface {
	subscribe(t *testing.T, filter string)
	unsubscribe(t *testing.T, filter string)
	publish(t *testing.T, topic, payload string, retain bool)
	disconnect()
}

const password = "wonderland"

// connect logs alice in; a wrong password is refused.
type connect func(t *testing.T, address, id, password string) (client, error)

func TestAllTwelveEventsOfRealClients(t *testing.T) {
	for protocol, connect := range map[string]connect{"mqtt3": connect3, "mqtt5": connect5} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			p := webhookd.Run(t, `
broker_id: broker-1
webhook:
  enabled: true
  include_payload: true
  endpoints:
    - {name: all, url: '`+r.URL+`'}
sources:
  mqtt_broker:
    listen: 127.0.0.1:0
    users: [{username: alice, password: `+password+`}]
    acl: [{username: alice, publish: ['sensors/#'], subscribe: ['sensors/#']}]
`)
			tellAllTwelve(t, r, p.MQTT(), protocol, connect)
			p.TerminateAndExpect(0)
			for _, eventType := range messages.Types() {
				require.NotEmpty(t, r.taken(eventType.String()), eventType)
			}
			for _, event := range r.taken("") {
				requireEnvelope(t, event)
			}
		})
	}
}

func tellAllTwelve(t *testing.T, r *receiver, address, protocol string, connect connect) {
	_, err := connect(t, address, "intruder", "wrong")
	require.Error(t, err)
	failure := r.await(t, "auth.failure", map[string]any{"client_id": "intruder"})
	require.NotEmpty(t, failure.Data["reason"])
	require.NotEmpty(t, failure.Data["remote_addr"])

	subscriber, err := connect(t, address, "subscriber", password)
	require.NoError(t, err)
	r.await(t, "auth.success", map[string]any{"client_id": "subscriber"})
	connected := r.await(t, "client.connected", map[string]any{"client_id": "subscriber", "protocol": protocol, "clean_start": true, "keep_alive": 30.0})
	require.NotEmpty(t, connected.Data["remote_addr"])

	subscriber.subscribe(t, "sensors/+")
	created := r.await(t, "subscription.created", map[string]any{"client_id": "subscriber", "topic_filter": "sensors/+", "qos": 1.0})
	if protocol == "mqtt5" {
		require.Equal(t, 7.0, created.Data["subscription_id"])
	} else {
		require.NotContains(t, created.Data, "subscription_id")
	}
	subscriber.subscribe(t, "secret/#")
	r.await(t, "authz.subscribe_denied", map[string]any{"client_id": "subscriber", "topic_filter": "secret/#"})

	publisher, err := connect(t, address, "publisher", password)
	require.NoError(t, err)
	publisher.publish(t, "sensors/1", "21.5", true)
	r.await(t, "message.published", map[string]any{"client_id": "publisher", "topic": "sensors/1", "qos": 1.0, "retained": true, "payload_size": 4.0, "payload": "MjEuNQ=="})
	r.await(t, "message.delivered", map[string]any{"client_id": "subscriber", "topic": "sensors/1", "qos": 1.0, "payload_size": 4.0})
	r.await(t, "message.retained", map[string]any{"topic": "sensors/1", "payload_size": 4.0, "cleared": false})
	publisher.publish(t, "sensors/1", "", true)
	r.await(t, "message.retained", map[string]any{"topic": "sensors/1", "payload_size": 0.0, "cleared": true})

	subscriber.unsubscribe(t, "sensors/+")
	r.await(t, "subscription.removed", map[string]any{"client_id": "subscriber", "topic_filter": "sensors/+"})

	successor, err := connect(t, address, "subscriber", password)
	require.NoError(t, err)
	r.await(t, "client.session_takeover", map[string]any{"client_id": "subscriber", "from_node": "broker-1", "to_node": "broker-1"})
	r.await(t, "client.disconnected", map[string]any{"client_id": "subscriber", "reason": "takeover"})
	successor.disconnect()
	r.await(t, "client.disconnected", map[string]any{"client_id": "subscriber", "reason": "normal"})

	publisher.publish(t, "secret/plan", "x", false)
	r.await(t, "authz.publish_denied", map[string]any{"client_id": "publisher", "topic": "secret/plan"})
}

func requireEnvelope(t *testing.T, event received) {
	t.Helper()
	require.NoError(t, uuid.Validate(event.ID))
	require.Equal(t, event.ID, event.header.Get("webhook-id"))
	require.Equal(t, "broker-1", event.BrokerID)
	require.Equal(t, "application/json", event.header.Get("Content-Type"))
	require.Contains(t, event.header.Get("User-Agent"), "webhookd")
	timestamp, err := time.Parse(time.RFC3339Nano, event.Timestamp)
	require.NoError(t, err)
	require.Regexp(t, `\.\d+Z$`, event.Timestamp)
	require.WithinDuration(t, time.Now(), timestamp, time.Minute)
}

type client3 struct{ mqtt3.Client }

func connect3(t *testing.T, address, id, password string) (client, error) {
	options := mqtt3.NewClientOptions().AddBroker("tcp://" + address).SetClientID(id).SetUsername("alice").
		SetPassword(password).SetAutoReconnect(false).SetProtocolVersion(4).SetConnectTimeout(webhookd.Patience)
	c := mqtt3.NewClient(options)
	token := c.Connect()
	require.True(t, token.WaitTimeout(webhookd.Patience))
	t.Cleanup(func() { c.Disconnect(0) })
	return client3{c}, token.Error()
}

func (c client3) subscribe(t *testing.T, filter string) {
	require.True(t, c.Subscribe(filter, 1, nil).WaitTimeout(webhookd.Patience))
}

func (c client3) unsubscribe(t *testing.T, filter string) {
	require.True(t, c.Unsubscribe(filter).WaitTimeout(webhookd.Patience))
}

func (c client3) publish(t *testing.T, topic, payload string, retain bool) {
	require.True(t, c.Publish(topic, 1, retain, payload).WaitTimeout(webhookd.Patience))
}

func (c client3) disconnect() { c.Disconnect(100) }

type client5 struct{ *paho.Client }

func connect5(t *testing.T, address, id, password string) (client, error) {
	connection, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { connection.Close() })
	c := paho.NewClient(paho.ClientConfig{Conn: connection})
	ctx, cancel := context.WithTimeout(context.Background(), webhookd.Patience)
	defer cancel()
	_, err = c.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 30, CleanStart: true, UsernameFlag: true,
		PasswordFlag: true, Username: "alice", Password: []byte(password)})
	return client5{c}, err
}

func (c client5) subscribe(t *testing.T, filter string) {
	ctx, cancel := context.WithTimeout(context.Background(), webhookd.Patience)
	defer cancel()
	identifier := 7
	// A refused filter is an error here, and what the event has to tell.
	_, _ = c.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}},
		Properties:    &paho.SubscribeProperties{SubscriptionIdentifier: &identifier},
	})
}

func (c client5) unsubscribe(t *testing.T, filter string) {
	ctx, cancel := context.WithTimeout(context.Background(), webhookd.Patience)
	defer cancel()
	_, err := c.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{filter}})
	require.NoError(t, err)
}

func (c client5) publish(t *testing.T, topic, payload string, retain bool) {
	ctx, cancel := context.WithTimeout(context.Background(), webhookd.Patience)
	defer cancel()
	// A refused message is an error here, and what the event has to tell.
	_, _ = c.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Retain: retain, Payload: []byte(payload)})
}

func (c client5) disconnect() { _ = c.Disconnect(&paho.Disconnect{}) }

func TestMosquittoClientsAreHeard(t *testing.T) {
	t.Parallel()
	publisher, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		t.Skip("mosquitto_pub is not installed")
	}
	r := newReceiver(t)
	p := webhookd.Run(t, `
webhook:
  enabled: true
  include_payload: true
  endpoints:
    - {name: all, url: '`+r.URL+`', topic_filters: ['sensors/#']}
sources:
  mqtt_broker: {listen: 127.0.0.1:0}
`)
	host, port, err := net.SplitHostPort(p.MQTT())
	require.NoError(t, err)
	for version, protocol := range map[string]string{"mqttv311": "mqtt3", "mqttv5": "mqtt5"} {
		output, err := exec.Command(publisher, "-V", version, "-h", host, "-p", port, "-i", version, "-q", "2", "-t", "sensors/"+version, "-m", "hi").CombinedOutput()
		require.NoError(t, err, string(output))
		r.await(t, "client.connected", map[string]any{"client_id": version, "protocol": protocol})
		r.await(t, "message.published", map[string]any{"client_id": version, "topic": "sensors/" + version, "qos": 2.0, "payload": "aGk="})
		r.await(t, "client.disconnected", map[string]any{"client_id": version, "reason": "normal"})
	}
}

func TestExampleOfFluxMQIsUnderstood(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	p := webhookd.Run(t, `
webhook:
  enabled: true
  queue_size: 10000
  drop_policy: "oldest" # oldest or newest
  workers: 5
  include_payload: false
  shutdown_timeout: "30s"
  defaults:
    timeout: "5s"
    retry:
      max_attempts: 3
      initial_interval: "1s"
      max_interval: "30s"
      multiplier: 2.0
    circuit_breaker:
      failure_threshold: 5
      reset_timeout: "60s"
  endpoints:
    - name: "analytics"
      type: "http"
      url: "`+r.URL+`/webhook"
      events: ["message.published"]
      topic_filters: ["sensors/#"]
      headers:
        Authorization: "Bearer token"
sources:
  mqtt_broker: {listen: 127.0.0.1:0}
`)
	c, err := connect3(t, p.MQTT(), "publisher-1", "")
	require.NoError(t, err)
	c.publish(t, "sensors/temperature", "21.5", false)
	c.publish(t, "other", "x", false)
	event := r.await(t, "message.published", map[string]any{"client_id": "publisher-1", "topic": "sensors/temperature", "payload_size": 4.0})
	require.NotContains(t, event.Data, "payload")
	require.Equal(t, "/webhook", event.path)
	require.Equal(t, "Bearer token", event.header.Get("Authorization"))
	p.TerminateAndExpect(0)
	require.Len(t, r.taken(""), 1, "the filters let nothing else through")
}
