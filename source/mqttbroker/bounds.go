package mqttbroker

import (
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"golang.org/x/sync/semaphore"

	"github.com/fluxmq/webhookd/config"
)

// bounds is what a broker may take up. Its max_bytes are divided once, so that no use of them starves another:
//
//	7/32  connected clients: the stacks of their goroutines, by their number
//	2/32  retained messages, unless max_retained_bytes says otherwise
//	2/32  sessions' queues
//	2/32  sessions
//	2/32  subscriptions
//	1/32  packets that arrive
//	1/32  packets that are processed
//	1/32  what waits to be sent
//	1/32  acknowledgements that wait for receipts
//
// The rest is for what Go's collector has not collected yet, and for connections that have not logged in.
type bounds struct {
	clientBytes       int64 // that may wait to be sent to one client
	sessionQueueBytes int64 // of one session's queue
	maxClients        int64

	sessions         budget
	subscriptions    budget
	queues           budget
	retained         budget
	outgoing         budget
	acknowledgements budget
	processing       *semaphore.Weighted
	processingBytes  int64
	replaying        *semaphore.Weighted // retained messages that subscriptions look up
	replayBytes      int64
	connecting       *crowd // of connections
	logins           *crowd // of the bytes of CONNECTs beyond freeConnectBytes
	arriving         *crowd // of the bytes of packets

	refusals [len(refusalReasons)]atomic.Uint64
}

// What is kept takes besides its own bytes, as measured.
const (
	connectionBytes   = 20 << 10 // two goroutines
	sessionBytes      = 6 << 10
	packetBytes       = 1 << 10 // mochi's form of a packet
	messageBytes      = 2 * packetBytes
	levelBytes        = 640 // a level of a topic in mochi's tree
	subscriptionBytes = 1 << 10
	maxLoginBytes     = 4 << 20
	arrivalPatience   = 5 * time.Second // that a packet may take to arrive while others want its room
)

func newBounds(cfg config.MQTTBroker) *bounds {
	part := int64(cfg.MaxBytes) / 32
	b := &bounds{
		clientBytes:       int64(cfg.MaxClientBytes),
		sessionQueueBytes: int64(cfg.MaxQueueBytes),
		maxClients:        min(7*part/connectionBytes, maxClients),
		sessions:          budget{limit: 2 * part},
		subscriptions:     budget{limit: 2 * part},
		queues:            budget{limit: 2 * part},
		retained:          budget{limit: int64(cfg.MaxRetainedBytes)},
		outgoing:          budget{limit: part},
		acknowledgements:  budget{limit: part},
		processing:        semaphore.NewWeighted(part),
		processingBytes:   part,
		replaying:         semaphore.NewWeighted(part / 2),
		replayBytes:       part / 2,
	}
	b.connecting = newCrowd(int64(cfg.MaxConnecting), 0, b.refusal(reasonConnecting))
	b.logins = newCrowd(min(maxLoginBytes, part/2), 0, b.refusal(reasonConnecting))
	b.arriving = newCrowd(part, arrivalPatience, b.refusal(reasonPacket))
	return b
}

// refusalReason is what there was no room for.
type refusalReason int

const (
	reasonConnecting refusalReason = iota
	reasonSession
	reasonAbandoned
	reasonSubscription
	reasonRetained
	reasonQueue
	reasonOutgoing
	reasonPacket
)

// refusalReasons are the reasons' names in metrics.
var refusalReasons = [...]string{
	reasonConnecting:   "connecting",
	reasonSession:      "session",
	reasonAbandoned:    "abandoned_session",
	reasonSubscription: "subscription",
	reasonRetained:     "retained",
	reasonQueue:        "queue",
	reasonOutgoing:     "outgoing",
	reasonPacket:       "packet",
}

func (b *bounds) refused(reason refusalReason) { b.refusals[reason].Add(1) }

func (b *bounds) refusal(reason refusalReason) func() { return func() { b.refused(reason) } }

// connOf is the connection of a client that came through the broker's own listeners; nil for any other.
func connOf(cl *mqtt.Client) *clientConn {
	conn, _ := cl.Net.Conn.(*clientConn)
	return conn
}
