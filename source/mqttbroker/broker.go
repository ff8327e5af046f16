// Package mqttbroker is the source of events that is an MQTT broker itself: Hook observes any mochi broker, and Broker is
// a whole one, for MQTT 3.1, 3.1.1 and 5.0 over TCP and WebSocket, with a Hook in it.
//
// # Acknowledgements
//
// A Broker acknowledges a message with QoS 1 or 2 (PUBACK, PUBREC) when its event is safe. mochi does so before: of a
// PUBLISH it calls OnPublish, writes the acknowledgement, hands the message to its subscribers and calls OnPublished, in
// which the event is handed over, all in the goroutine that reads from the client and one PUBLISH at a time. So the
// acknowledgement is caught where mochi writes it, at the connection, and is that of the PUBLISH that is being processed;
// OnPacketProcessed has it wait for the receipt of that, and it leaves when its receipt and those of all before it have
// come. For QoS 2 the receipt also belongs to the packet id in the session, because a repetition, on a later connection
// too, is no second event and must wait for the receipt of the first.
//
// Where the event can't be kept safe, a client of MQTT 5.0 gets reason code 0x97 (quota exceeded), and one of MQTT 3 is
// disconnected without an acknowledgement, so that it sends the message again. Its subscribers may have it already, and
// get it again. An event that the router would never take is no reason to repeat: reason code 0x83 (implementation
// specific error), and with MQTT 3 an acknowledgement as ever.
package mqttbroker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/config"
)

// What one broker, and one client of it, may take up besides its bounds in bytes.
const (
	maxClients           = 1_000_000
	maxWritesPending     = 256   // between mochi and the connection, which takes all at once
	maxInflight          = 1_024 // messages with QoS 1 or 2, an offline session's included
	mochiReadBytes       = 64    // for the beginning of a packet
	maxSessionExpiry     = 24 * time.Hour
	systemTopicsInterval = 10 * time.Second
)

// Broker is an embedded MQTT broker. It keeps sessions for 24 hours at most, and everything in memory, within the
// bounds of its configuration; what outlives a connection it keeps in a file as well, where it has a folder for that
// (WithFolder). A packet may have 1 MiB, a topic 128 levels. A will that its client may not publish is discarded at the
// login, as authz.publish_denied.
type Broker struct {
	config      config.MQTTBroker
	server      *mqtt.Server
	hook        *Hook
	sessions    *sessions
	bounds      *bounds
	quotas      *quotas
	keeping     *keeping    // nil: everything is in memory only
	tls         *tls.Config // nil: none
	log         *slog.Logger
	tcp         net.Listener
	webSocket   net.Listener // nil: off
	http        *http.Server // serves webSocket
	connections connectionSet
	accepting   sync.WaitGroup
	closeOnce   sync.Once
	closeErr    error
}

// New makes a broker whose events go to the notifier, and opens nothing. brokerID names the broker in
// client.session_takeover. It fails where the users or the access rules can't be meant: a user without a name or
// a password, a user twice, an invalid topic filter, a rule for somebody who is no user; and where a file of its TLS can't
// be used.
func New(cfg config.MQTTBroker, brokerID string, notifier Notifier, log *slog.Logger, options ...Option) (*Broker, error) {
	cfg = cfg.Complete()
	accounts, err := newAccounts(cfg.Users)
	if err != nil {
		return nil, err
	}
	rules, err := newAccessRules(cfg.ACL, accounts)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := newTLSConfig(cfg.TLS, log)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		config:      cfg,
		log:         log,
		hook:        NewHook(notifier, brokerID, log),
		bounds:      newBounds(cfg),
		tls:         tlsConfig,
		connections: connectionSet{open: map[net.Conn]struct{}{}},
	}
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:            capabilities(b.bounds),
		ClientNetReadBufferSize: mochiReadBytes,
		// Off: what mochi has in it stays there where a packet after it is not written.
		ClientNetWriteBufferSize: 1,
		Logger:                   slog.New(errorsOnly{log.Handler()}),
		SysTopicResendInterval:   int64(systemTopicsInterval / time.Second),
	})
	b.sessions = newSessions(b.server)
	b.quotas = newQuotas(b.bounds, b.server, b.sessions, b.hook)
	for _, option := range options {
		option(b)
	}
	access := &access{server: b.server, hook: b.hook, quotas: b.quotas, accounts: accounts, rules: rules}
	// The access hook is first, so that its end of an expired session's subscriptions is what the others see. The one that
	// observes comes after those that decide.
	hooks := []mqtt.Hook{access, b.quotas, b.sessions, b.hook, &resumption{sessions: b.sessions}}
	if b.keeping != nil {
		b.sessions.keeping = b.keeping
		hooks = slices.Insert(hooks, 3, mqtt.Hook(b.keeping)) // before b.hook tells what can still be refused
	}
	for _, hook := range hooks {
		if err := b.server.AddHook(hook, nil); err != nil {
			return nil, fmt.Errorf("add a hook to the MQTT broker: %w", err)
		}
	}
	return b, nil
}

// Option is something that not every broker has.
type Option func(*Broker)

// WithFolder has the broker keep in the folder what its clients are promised over the end of the process, also by kill -9
// or a power cut: sessions that outlive their connections, with their subscriptions and what is queued for them, and retained
// messages. The folder is made where it is missing; one process can use it at a time. "" is none.
func WithFolder(dir string) Option {
	return func(b *Broker) {
		if dir != "" {
			b.keeping = newKeeping(dir, b)
		}
	}
}

// Start takes up what the folder has, listens, and returns when clients can connect. The notifier must take events by
// then: what expired meanwhile is told. A broker starts once.
func (b *Broker) Start() error {
	if err := b.keeping.open(); err != nil {
		return err
	}
	if err := b.serveAll(); err != nil {
		return errors.Join(err, b.keeping.close())
	}
	return nil
}

func (b *Broker) serveAll() error {
	if err := b.listen(); err != nil {
		return err
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("start the MQTT broker: %w", err)
	}
	b.log.Info("MQTT broker is open", "address", b.Addr().String())
	b.accepting.Go(b.acceptTCP)
	if b.webSocket != nil {
		b.log.Info("MQTT broker is open to WebSocket", "address", b.WebSocketAddr().String())
		b.accepting.Go(b.acceptWebSocket)
	}
	return nil
}

// Addr is where the started broker listens for MQTT over TCP.
func (b *Broker) Addr() net.Addr { return b.tcp.Addr() }

// WebSocketAddr is where the started broker listens for MQTT over WebSocket; nil where that is off.
func (b *Broker) WebSocketAddr() net.Addr {
	if b.webSocket == nil {
		return nil
	}
	return b.webSocket.Addr()
}

// Close takes no further message with QoS 1 or 2, acknowledges those whose events become safe within two seconds,
// disconnects the clients (MQTT 5.0 reason code 0x8B) and stops the broker. When it returns, the events of their
// disconnections have been handed over. A client that does not read delays it by two seconds more at most.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.stopAccepting()
		b.awaitReceipts()
		overdue := time.AfterFunc(disconnectGrace, b.connections.abort)
		defer overdue.Stop()
		for _, client := range b.server.Clients.GetAll() {
			// Its error is the reason code itself, or that the connection is gone already.
			_ = b.server.DisconnectClient(client, packets.ErrServerShuttingDown)
		}
		b.connections.interrupt()
		b.connections.wait()
		if err := b.server.Close(); err != nil {
			b.closeErr = fmt.Errorf("close the MQTT broker: %w", err)
		}
		b.closeErr = errors.Join(b.closeErr, b.keeping.close())
	})
	return b.closeErr
}

// awaitReceipts lets the clients have the acknowledgements that they wait for.
func (b *Broker) awaitReceipts() {
	until := time.Now().Add(receiptGrace)
	var waiting []*acknowledgements
	for _, client := range b.server.Clients.GetAll() {
		if conn := connOf(client); conn != nil {
			conn.acks.stop()
			waiting = append(waiting, conn.acks)
		}
	}
	for _, acks := range waiting {
		acks.awaitSent(until)
	}
}

func capabilities(b *bounds) *mqtt.Capabilities {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = b.maxClients
	c.MaximumPacketSize = maxPacketBytes
	c.MaximumClientWritesPending = maxWritesPending
	c.MaximumInflight = maxInflight
	c.ReceiveMaximum = maxUnacknowledged
	c.MaximumSessionExpiryInterval = uint32(maxSessionExpiry / time.Second)
	c.MaximumMessageExpiryInterval = 0                  // a retained message stays until it is cleared or its own expiry comes
	c.TopicAliasMaximum = 0                             // mochi would check access by the alias's empty topic name
	c.Compatibilities.NoInheritedPropertiesOnAck = true // an acknowledgement that is kept would keep them
	return c
}

func (b *Broker) listen() error {
	var err error
	if b.tcp, err = b.listenOn(b.config.Listen); err != nil {
		return fmt.Errorf("listen for MQTT: %w", err)
	}
	if b.config.WebSocketListen == "" {
		return nil
	}
	if b.webSocket, err = b.listenOn(b.config.WebSocketListen); err != nil {
		_ = b.tcp.Close()
		return fmt.Errorf("listen for MQTT over WebSocket: %w", err)
	}
	b.http = b.newHTTPServer()
	return nil
}
