package mqttbroker

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// aheadBytes is how much of one message's copies may lie between mochi's publishing and its writing.
const aheadBytes = 64 << 10

// publishing knows the messages that are being handed to their subscribers, by topic: mochi asks for a delivery with
// that alone.
type publishing struct {
	mu     sync.Mutex
	topics map[string]*publish
}

// publish is what is handed out on one topic.
type publish struct {
	count int   // of publishers at it
	bytes int64 // the size of the largest message
	qos   byte  // the highest
	pace  pace
}

func (p *publishing) begin(topic string, bytes int64, qos byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.topics[topic]
	if at == nil {
		at = &publish{}
		p.topics[topic] = at
	}
	at.count++
	at.bytes, at.qos = max(at.bytes, bytes), max(at.qos, qos)
}

func (p *publishing) end(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.topics[topic]; at != nil {
		at.count--
		if at.count == 0 {
			delete(p.topics, topic)
		}
	}
}

// on finds the publish on a topic, and what it was at that moment.
func (p *publishing) on(topic string) (at *publish, bytes int64, qos byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at = p.topics[topic]; at == nil {
		return nil, 0, 0
	}
	return at, at.bytes, at.qos
}

// pace keeps who publishes to many from running ahead of what writes to each: each has a copy of the message.
type pace struct {
	mu      sync.Mutex
	ahead   int64
	clients []*mqtt.Client
}

// keep waits, before a copy for the client is made, until those before it are taken where they are many.
func (p *pace) keep(cl *mqtt.Client, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ahead+bytes > aheadBytes {
		for _, client := range p.clients {
			awaitTaken(client)
		}
		p.ahead, p.clients = 0, p.clients[:0]
	}
	p.ahead += bytes
	p.clients = append(p.clients, cl)
}

// awaitTaken waits until mochi has written to the client what it queued for it. It never takes long: the connection takes
// all that is written to it, until it closes.
func awaitTaken(cl *mqtt.Client) {
	for end := time.Now().Add(time.Second); queuedPackets(cl) > 0 && !cl.Closed() && time.Now().Before(end); {
		time.Sleep(20 * time.Microsecond)
	}
}

// queuedPackets is the number of packets in mochi's queue for the client, the one that is being written included. mochi
// shows it nowhere.
func queuedPackets(cl *mqtt.Client) int32 {
	return atomic.LoadInt32((*int32)(unsafe.Add(unsafe.Pointer(&cl.State), queuedPacketsField.Offset)))
}

var queuedPacketsField = func() reflect.StructField {
	field, found := reflect.TypeFor[mqtt.ClientState]().FieldByName("outboundQty")
	if !found || field.Type.Kind() != reflect.Int32 {
		panic("mochi's ClientState has no outboundQty")
	}
	return field
}()
