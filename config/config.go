// Package config turns webhookd's YAML into a validated configuration: defaults, inheritance, environment variables,
// and errors that name the place.
package config

import (
	"cmp"
	"time"
)

// Config is a whole configuration. Default gives one with every default in its place, Load reads one from a file.
type Config struct {
	BrokerID    string      `yaml:"broker_id"` // broker_id of events that bring none
	Webhook     Webhook     `yaml:"webhook"`
	Sources     Sources     `yaml:"sources"`
	Admin       *Admin      `yaml:"admin,omitempty"` // nil: off
	Store       Store       `yaml:"store"`
	DeadLetters DeadLetters `yaml:"dead_letters"`
	Log         Log         `yaml:"log"`

	source *source // nil: built by a program; last, because it has no key
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

// Defaults is what an endpoint uses where it says nothing itself. What is left zero here is off.
type Defaults struct {
	Timeout        time.Duration     `yaml:"timeout"`
	Retry          Retry             `yaml:"retry"`
	CircuitBreaker CircuitBreaker    `yaml:"circuit_breaker"`
	RateLimit      RateLimit         `yaml:"rate_limit,omitempty"`
	MaxAge         time.Duration     `yaml:"max_age,omitempty"` // how long an event may wait for the endpoint
	Batch          Batch             `yaml:"batch"`
	ClientIDs      []string          `yaml:"client_ids"`     // globs of client ids, of which one must match
	When           string            `yaml:"when,omitempty"` // a CEL expression that must be true
	Format         Format            `yaml:"format"`
	Template       Template          `yaml:"template,omitempty"` // what FormatTemplate sends
	Request        Request           `yaml:"request"`
	Compression    Compression       `yaml:"compression"`
	Headers        map[string]Secret `yaml:"headers"`
	Secrets        []Secret          `yaml:"secrets"` // that requests are signed with, all of them
	Auth           *Auth             `yaml:"auth,omitempty"`
	TLS            TLS               `yaml:"tls,omitempty"`
	Proxy          Secret            `yaml:"proxy,omitempty"` // a URL, or ProxyDirect; "": as the environment says
	Egress         Egress            `yaml:"egress"`
}

// Retry says how often and when an event is sent again.
type Retry struct {
	// MaxAttempts bounds the attempts that are charged to an event: those that a live endpoint failed at. With 1 nothing
	// is sent twice.
	MaxAttempts     int           `yaml:"max_attempts"`
	InitialInterval time.Duration `yaml:"initial_interval"` // the wait after the first attempt
	MaxInterval     time.Duration `yaml:"max_interval"`     // the longest wait
	Multiplier      float64       `yaml:"multiplier"`       // what each wait is longer by, at least 1
	MaxRetryAfter   time.Duration `yaml:"max_retry_after"`  // the longest pause that an endpoint may ask for with Retry-After
	// GiveUpAfter is for how long an event is tried again that the endpoint is away for, although it takes others: without
	// the time in which the circuit breaker is open, and never before 20 attempts, or MaxAttempts if that is more.
	GiveUpAfter time.Duration `yaml:"give_up_after"`
}

// CircuitBreaker says when an endpoint is left alone.
type CircuitBreaker struct {
	FailureThreshold   int                `yaml:"failure_threshold"`   // consecutive failures that open it
	RejectionThreshold RejectionThreshold `yaml:"rejection_threshold"` // rejections with no delivery between that open it
	ResetTimeout       time.Duration      `yaml:"reset_timeout"`       // how long it stays open before a probe
}

// RateLimit bounds the requests to an endpoint. What it holds back waits, and is charged nothing.
type RateLimit struct {
	PerSecond float64 `yaml:"per_second,omitempty"` // requests a second; 0: any number
	Burst     int     `yaml:"burst,omitempty"`      // requests that may go out at once; 0: one
}

// Batch says how many events one request carries, as a JSON array. With MaxEvents 1 each goes alone, in no array.
type Batch struct {
	MaxEvents int           `yaml:"max_events"`
	MaxBytes  ByteSize      `yaml:"max_bytes"` // of a batch; an event that is larger goes alone
	MaxWait   time.Duration `yaml:"max_wait"`  // how long an event waits for a batch to fill
}

// Batches tells whether requests carry arrays.
func (b Batch) Batches() bool { return b.MaxEvents > 1 }

// Format is what the body of a request is.
type Format string

const (
	FormatFluxMQ            Format = "fluxmq"             // FluxMQ's JSON envelope
	FormatCloudEvents       Format = "cloudevents"        // CloudEvents 1.0, structured mode, and batched mode
	FormatCloudEventsBinary Format = "cloudevents-binary" // CloudEvents 1.0, binary mode: the data alone
	FormatTemplate          Format = "template"           // what Template renders to
	FormatRaw               Format = "raw"                // the payload of the message
)

// Template is the body of a request as a Go template (text/template).
type Template struct {
	ContentType string `yaml:"content_type,omitempty"` // "": application/json, and the body has to be JSON
	Body        Secret `yaml:"body,omitempty"`         // may hold the keys of a service
}

// Request says where in an endpoint's URL a request goes. All its texts are Go templates (text/template), whose output
// is escaped.
type Request struct {
	Method string            `yaml:"method,omitempty"` // "": POST
	Path   string            `yaml:"path,omitempty"`   // in place of the URL's path; "": that
	Query  map[string]string `yaml:"query"`            // added to the URL's query
}

// Compression says how bodies of 1 KiB and more are compressed.
type Compression string

const (
	CompressionNone Compression = "none"
	CompressionGzip Compression = "gzip" // Content-Encoding: gzip
)

// Auth is how requests prove who sends them. At most one field is set; with none they prove nothing.
type Auth struct {
	Basic      *Basic  `yaml:"basic,omitempty"`
	Bearer     Secret  `yaml:"bearer,omitempty"`
	BearerFile Path    `yaml:"bearer_file,omitempty"` // the token's file, read again when it changes and after a 401
	OAuth2     *OAuth2 `yaml:"oauth2,omitempty"`
}

// Basic is a user's name and password (RFC 7617).
type Basic struct {
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
}

// OAuth2 fetches bearer tokens by the client credentials grant (RFC 6749 §4.4).
type OAuth2 struct {
	TokenURL     string            `yaml:"token_url"`
	ClientID     string            `yaml:"client_id"`
	ClientSecret Secret            `yaml:"client_secret"`
	Scopes       []string          `yaml:"scopes,omitempty"`
	Params       map[string]Secret `yaml:"params,omitempty"` // further parameters of the token request, as audience
}

// TLS is how an https endpoint is trusted, and how it may trust us. The files are read again when they change.
type TLS struct {
	CAFile     Path   `yaml:"ca_file,omitempty"`     // PEM certificates to trust in place of the system's
	CertFile   Path   `yaml:"cert_file,omitempty"`   // our own PEM certificate, and what leads to its authority
	KeyFile    Path   `yaml:"key_file,omitempty"`    // the PEM key of CertFile
	ServerName string `yaml:"server_name,omitempty"` // the name in the endpoint's certificate; "": the URL's host
	MinVersion string `yaml:"min_version,omitempty"` // "1.2", which is also what "" means, or "1.3"
}

// ProxyDirect as a Proxy means none, whatever the environment says.
const ProxyDirect = "direct"

// Egress says which IP addresses may be dialled, in CIDR notation. Allow goes before Deny; what neither holds may be
// dialled unless it is link-local or a cloud's metadata service.
type Egress struct {
	Allow []string `yaml:"allow"`
	Deny  []string `yaml:"deny"`
}

// Endpoint is one receiver. Where a field that Webhook or Defaults has too is zero, theirs holds, key by key; Resolve
// puts it in. A list or mapping that is empty but not nil, and an Auth without a field, is not zero: it inherits nothing.
type Endpoint struct {
	Name         string   `yaml:"name"` // unique; it names the endpoint in logs and metrics
	Type         string   `yaml:"type"` // TypeHTTP, which is also what "" means
	URL          string   `yaml:"url"`  // http or https
	Events       []string `yaml:"events"`
	TopicFilters []string `yaml:"topic_filters"`
	Without      []string `yaml:"without,omitempty"` // keys of Defaults that the endpoint does not inherit: for it they are as in Default

	Timeout        time.Duration     `yaml:"timeout"`
	Retry          Retry             `yaml:"retry"`
	CircuitBreaker CircuitBreaker    `yaml:"circuit_breaker"`
	RateLimit      RateLimit         `yaml:"rate_limit,omitempty"`
	MaxAge         time.Duration     `yaml:"max_age,omitempty"`
	Batch          Batch             `yaml:"batch"`
	ClientIDs      []string          `yaml:"client_ids"`
	When           string            `yaml:"when,omitempty"`
	Format         Format            `yaml:"format"`
	Template       Template          `yaml:"template,omitempty"`
	Request        Request           `yaml:"request"`
	Compression    Compression       `yaml:"compression"`
	Headers        map[string]Secret `yaml:"headers"`
	Secrets        []Secret          `yaml:"secrets"`
	Auth           *Auth             `yaml:"auth,omitempty"`
	TLS            TLS               `yaml:"tls,omitempty"`
	Proxy          Secret            `yaml:"proxy,omitempty"`
	Egress         Egress            `yaml:"egress"`

	Workers    int        `yaml:"workers"`
	QueueSize  int        `yaml:"queue_size"`
	QueueBytes ByteSize   `yaml:"queue_bytes"`
	DropPolicy DropPolicy `yaml:"drop_policy"`
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
	Listen          string    `yaml:"listen"`                  // MQTT over TCP
	WebSocketListen string    `yaml:"websocket_listen"`        // MQTT over WebSocket; "": off
	AllowedHosts    []string  `yaml:"allowed_hosts,omitempty"` // hosts that the WebSocket listener goes by, besides its own
	TLS             ServerTLS `yaml:"tls,omitempty"`           // of both listeners
	Users           []User    `yaml:"users"`
	ACL             []ACLRule `yaml:"acl"`

	MaxBytes         ByteSize `yaml:"max_bytes"`          // of memory that the broker may take in all; 0: DefaultMQTTMaxBytes
	MaxClientBytes   ByteSize `yaml:"max_client_bytes"`   // that may wait to be sent to a connected client; 0: DefaultMQTTMaxClientBytes
	MaxQueueBytes    ByteSize `yaml:"max_queue_bytes"`    // of messages with QoS 1 and 2 that a session may hold; 0: DefaultMQTTMaxQueueBytes
	MaxRetainedBytes ByteSize `yaml:"max_retained_bytes"` // of retained messages; 0: 1/16 of MaxBytes
	MaxConnecting    int      `yaml:"max_connecting"`     // connections that have not logged in yet; 0: DefaultMQTTMaxConnecting
}

// ServerTLS makes listeners speak TLS. The files are read again when they change.
type ServerTLS struct {
	CertFile     Path `yaml:"cert_file,omitempty"`      // the PEM certificate, and what leads to its authority; "": no TLS
	KeyFile      Path `yaml:"key_file,omitempty"`       // the PEM key of CertFile
	ClientCAFile Path `yaml:"client_ca_file,omitempty"` // PEM certificates of which one must have issued each client's; "": clients need none
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
	AllowedHosts []string `yaml:"allowed_hosts"` // names and IP addresses that it goes by besides those of loopback
}

// Admin is the operator's side: health, metrics and dead letters.
type Admin struct {
	Listen       string   `yaml:"listen"`
	Token        Secret   `yaml:"token,omitempty"` // for what shows events or changes anything: dead letters
	AllowedHosts []string `yaml:"allowed_hosts"`   // as the ingest's
}

// Store says where held events and dead letters are kept, so that they outlive the process.
type Store struct {
	Dir         Path          `yaml:"dir"`          // "": in memory only
	MaxBytes    ByteSize      `yaml:"max_bytes"`    // of held events; beyond it the endpoint that holds most gives way
	CommitDelay time.Duration `yaml:"commit_delay"` // how long an event waits for its deliveries to end before it is written
}

// DeadLetters bounds what the store keeps of events that were given up.
type DeadLetters struct {
	MaxBytes ByteSize      `yaml:"max_bytes"`         // of all; the oldest give way
	MaxAge   time.Duration `yaml:"max_age,omitempty"` // after which one is deleted; 0: never
}

// Path is the path of a file or folder. A relative one in a configuration file is relative to that file's directory.
type Path string

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

// What an embedded broker may take up where its section says nothing.
const (
	DefaultMQTTMaxBytes       ByteSize = 256 << 20
	DefaultMQTTMaxClientBytes ByteSize = 2 << 20
	DefaultMQTTMaxQueueBytes  ByteSize = 4 << 20
	DefaultMQTTMaxConnecting           = 1000
)

// Complete puts the defaults in where a field is zero.
func (b MQTTBroker) Complete() MQTTBroker {
	b.Listen = cmp.Or(b.Listen, DefaultMQTTListen)
	b.MaxBytes = cmp.Or(b.MaxBytes, DefaultMQTTMaxBytes)
	b.MaxClientBytes = cmp.Or(b.MaxClientBytes, DefaultMQTTMaxClientBytes)
	b.MaxQueueBytes = cmp.Or(b.MaxQueueBytes, DefaultMQTTMaxQueueBytes)
	b.MaxRetainedBytes = cmp.Or(b.MaxRetainedBytes, b.MaxBytes/16)
	b.MaxConnecting = cmp.Or(b.MaxConnecting, DefaultMQTTMaxConnecting)
	return b
}

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
					GiveUpAfter:     time.Hour,
				},
				CircuitBreaker: CircuitBreaker{FailureThreshold: 5, RejectionThreshold: 20, ResetTimeout: time.Minute},
				Batch:          Batch{MaxEvents: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond},
				Format:         FormatFluxMQ,
				Compression:    CompressionNone,
			},
		},
		Store:       Store{MaxBytes: 16 << 30, CommitDelay: 10 * time.Millisecond},
		DeadLetters: DeadLetters{MaxBytes: 1 << 30},
		Log:         Log{Level: "info"},
	}
}
