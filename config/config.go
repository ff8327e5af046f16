// Package config turns webhookd's YAML into a validated configuration: defaults, inheritance, environment variables,
// and errors that name the place.
package config

import (
	"time"
)

// Config is a whole configuration. Default gives one with every default in its place, Load reads one from a file.
type Config struct {
	BrokerID    string      `yaml:"broker_id"` // broker_id of events that bring none
	Webhook     Webhook     `yaml:"webhook"`
	Sources     Sources     `yaml:"sources"`
	Admin       *Admin      `yaml:"admin,omitempty"` // nil: off
	DeadLetters DeadLetters `yaml:"dead_letters"`
	Log         Log         `yaml:"log"`
}

// Webhook says what is delivered, and how.
type Webhook struct {
	Enabled         bool          `yaml:"enabled"`
	QueueSize       int           `yaml:"queue_size"`        // events that the root mailbox, and each endpoint, may hold; at least MinQueueSize
	QueueBytes      ByteSize      `yaml:"queue_bytes"`       // bytes that the root mailbox, and each endpoint, may hold
	DropPolicy      DropPolicy    `yaml:"drop_policy"`       // what gives way when a queue is full
	Workers         int           `yaml:"workers"`           // requests that each endpoint may have in flight
	IncludePayload  bool          `yaml:"include_payload"`   // whether message.published carries its payload
	MaxPayloadBytes ByteSize      `yaml:"max_payload_bytes"` // the largest payload that is carried
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`  // how long a drain may take
	Defaults        Defaults      `yaml:"defaults"`
	Endpoints       []Endpoint    `yaml:"endpoints"`
}

// MinQueueSize is the smallest queue_size.
const MinQueueSize = 100

// Defaults is what an endpoint uses where it says nothing itself.
type Defaults struct {
	Timeout        time.Duration  `yaml:"timeout"`
	Retry          Retry          `yaml:"retry"`
	CircuitBreaker CircuitBreaker `yaml:"circuit_breaker"`
}

// Retry says how often and when an event is sent again.
type Retry struct {
	// MaxAttempts bounds the attempts that are charged to an event: those that a live endpoint refused. With 1 nothing
	// is sent twice.
	MaxAttempts     int           `yaml:"max_attempts"`
	InitialInterval time.Duration `yaml:"initial_interval"` // the wait after the first attempt
	MaxInterval     time.Duration `yaml:"max_interval"`     // the longest wait
	Multiplier      float64       `yaml:"multiplier"`       // what each wait is longer by, at least 1
	MaxRetryAfter   time.Duration `yaml:"max_retry_after"`  // the longest pause that an endpoint may ask for with Retry-After
}

// CircuitBreaker says when an endpoint is left alone.
type CircuitBreaker struct {
	FailureThreshold int           `yaml:"failure_threshold"` // consecutive failures that open it
	ResetTimeout     time.Duration `yaml:"reset_timeout"`     // how long it stays open before a probe
}

// Endpoint is one receiver. Where a field that Webhook or Defaults has too is zero, theirs holds, key by key; Resolve
// puts it in.
type Endpoint struct {
	Name           string            `yaml:"name"` // unique; it names the endpoint in logs and metrics
	Type           string            `yaml:"type"` // TypeHTTP, which is also what "" means
	URL            string            `yaml:"url"`  // http or https
	Events         []string          `yaml:"events"`
	TopicFilters   []string          `yaml:"topic_filters"`
	Headers        map[string]Secret `yaml:"headers"`
	Timeout        time.Duration     `yaml:"timeout"`
	Retry          Retry             `yaml:"retry"`
	CircuitBreaker CircuitBreaker    `yaml:"circuit_breaker"`
	Workers        int               `yaml:"workers"`
	QueueSize      int               `yaml:"queue_size"`
	QueueBytes     ByteSize          `yaml:"queue_bytes"`
	DropPolicy     DropPolicy        `yaml:"drop_policy"`
}

// TypeHTTP is the one type of endpoint.
const TypeHTTP = "http"

// DropPolicy says which event gives way when a queue is full.
type DropPolicy string

const (
	DropOldest DropPolicy = "oldest" // what has waited longest is dropped, the new event taken
	DropNewest DropPolicy = "newest" // the new event is refused
)

// Sources are the ways in. Each is on when its section is there.
type Sources struct {
	MQTTBroker *MQTTBroker `yaml:"mqtt_broker,omitempty"`
	Ingest     *Ingest     `yaml:"ingest,omitempty"`
}

// MQTTBroker is the embedded broker. Without Users everybody may connect; without ACL everything is allowed.
type MQTTBroker struct {
	Listen          string    `yaml:"listen"`           // MQTT over TCP
	WebSocketListen string    `yaml:"websocket_listen"` // MQTT over WebSocket; "": off
	Users           []User    `yaml:"users"`
	ACL             []ACLRule `yaml:"acl"`
}

// User is somebody who may connect to the embedded broker.
type User struct {
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
}

// ACLRule allows a user, or everybody where Username is empty, to publish and subscribe below topic filters. With
// rules, what none allows is denied.
type ACLRule struct {
	Username  string   `yaml:"username"`
	Publish   []string `yaml:"publish"`
	Subscribe []string `yaml:"subscribe"`
}

// Ingest takes events over HTTP.
type Ingest struct {
	Listen       string   `yaml:"listen"`
	Token        Secret   `yaml:"token,omitempty"` // the bearer token that senders show; required off loopback
	MaxBodyBytes ByteSize `yaml:"max_body_bytes"`
}

// Admin is the operator's side: health and metrics.
type Admin struct {
	Listen string `yaml:"listen"`
	Token  Secret `yaml:"token,omitempty"` // for what shows events or changes anything; nothing does yet
}

// DeadLetters says where events are kept that were given up.
type DeadLetters struct {
	Dir string `yaml:"dir"` // "": the latest in memory only
}

// Log says what the program writes to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json; "": text on a terminal, JSON elsewhere
}

// Addresses where a section is there and says no listen.
const (
	DefaultMQTTListen   = "127.0.0.1:1883"
	DefaultIngestListen = "127.0.0.1:8080"
	DefaultAdminListen  = "127.0.0.1:9090"
)

// DefaultBrokerID is the broker_id where neither broker_id nor FluxMQ's cluster.node_id says one. It is the same on
// every host, so that a receiver may rely on it.
const DefaultBrokerID = "webhookd"

// DefaultMaxBodyBytes bounds an ingest's request body where its section says nothing.
const DefaultMaxBodyBytes = 8 << 20

// Default is the configuration of an empty file: no source, no endpoint, webhooks off.
func Default() Config {
	return Config{
		BrokerID: DefaultBrokerID,
		Webhook: Webhook{
			QueueSize:       10000,
			QueueBytes:      64 << 20,
			DropPolicy:      DropOldest,
			Workers:         5,
			MaxPayloadBytes: 256 << 10,
			ShutdownTimeout: 30 * time.Second,
			Defaults: Defaults{
				Timeout: 5 * time.Second,
				Retry: Retry{
					MaxAttempts:     3,
					InitialInterval: time.Second,
					MaxInterval:     30 * time.Second,
					Multiplier:      2,
					MaxRetryAfter:   5 * time.Minute,
				},
				CircuitBreaker: CircuitBreaker{FailureThreshold: 5, ResetTimeout: time.Minute},
			},
		},
		Log: Log{Level: "info"},
	}
}

// Resolve returns the endpoints with what they inherit in every field that they leave zero.
func (w Webhook) Resolve() []Endpoint {
	resolved := make([]Endpoint, len(w.Endpoints))
	for i, endpoint := range w.Endpoints {
		resolved[i] = w.complete(endpoint)
	}
	return resolved
}

func (w Webhook) complete(endpoint Endpoint) Endpoint {
	inherit(&endpoint.Type, TypeHTTP)
	inherit(&endpoint.Timeout, w.Defaults.Timeout)
	inherit(&endpoint.Retry.MaxAttempts, w.Defaults.Retry.MaxAttempts)
	inherit(&endpoint.Retry.InitialInterval, w.Defaults.Retry.InitialInterval)
	inherit(&endpoint.Retry.MaxInterval, w.Defaults.Retry.MaxInterval)
	inherit(&endpoint.Retry.Multiplier, w.Defaults.Retry.Multiplier)
	inherit(&endpoint.Retry.MaxRetryAfter, w.Defaults.Retry.MaxRetryAfter)
	inherit(&endpoint.CircuitBreaker.FailureThreshold, w.Defaults.CircuitBreaker.FailureThreshold)
	inherit(&endpoint.CircuitBreaker.ResetTimeout, w.Defaults.CircuitBreaker.ResetTimeout)
	inherit(&endpoint.Workers, w.Workers)
	inherit(&endpoint.QueueSize, w.QueueSize)
	inherit(&endpoint.QueueBytes, w.QueueBytes)
	inherit(&endpoint.DropPolicy, w.DropPolicy)
	return endpoint
}

func inherit[T comparable](field *T, inherited T) {
	var zero T
	if *field == zero {
		*field = inherited
	}
}
