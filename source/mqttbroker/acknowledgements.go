package mqttbroker

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// What one client may have published without an acknowledgement; then its next publish has to wait.
	maxUnacknowledged      = 1_024 // its Receive Maximum, too (MQTT 5.0 §3.2.2.3.3)
	maxUnacknowledgedBytes = 1 << 20

	heldAckBytes = 256 // of one, as measured
)

// errNeverTaken is of an event that no repetition of its message makes the router take.
var errNeverTaken = errors.New("the router takes no such event")

// acknowledgements are the PUBACKs and PUBRECs that wait for the receipts of their publishes' events. They leave in the
// order of the publishes (MQTT 5.0 §4.6), and everything else that the client is sent passes them.
type acknowledgements struct {
	client *mqtt.Client
	write  func([]byte) (int, error) // never waits
	spawn  func(func())
	bounds *bounds

	written *heldAck // by the publish that is being processed; of the goroutine that reads from the client

	mu      sync.Mutex
	changed sync.Cond // with each change of what follows
	held    []*heldAck
	bytes   int64 // of their publishes
	stopped bool  // no further publish is let in
	closed  bool  // nothing is sent any more
}

// heldAck is an acknowledgement as mochi wrote it.
type heldAck struct {
	packet  []byte
	bytes   int64 // of its publish
	receipt bool  // has come
	err     error // the receipt's
}

func newAcknowledgements(write func([]byte) (int, error), spawn func(func()), b *bounds) *acknowledgements {
	a := &acknowledgements{write: write, spawn: spawn, bounds: b}
	a.changed.L = &a.mu
	return a
}

// isAcknowledgement tells it by the fixed header (MQTT 5.0 §2.1.2). The broker acknowledges nothing but publishes.
func isAcknowledgement(packet []byte) bool {
	return packet[0]>>4 == packets.Puback || packet[0]>>4 == packets.Pubrec
}

// awaitRoom waits until the client may publish so many bytes more. It fails when the connection ends.
func (a *acknowledgements) awaitRoom(bytes int64) (waited bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.closed && (a.stopped || !a.hasRoom(bytes)) {
		waited = true
		a.changed.Wait()
	}
	if a.closed {
		return waited, net.ErrClosed
	}
	return waited, nil
}

// hasRoom is true for who waits for no acknowledgement, whatever others wait for: so nobody has to be woken by them.
func (a *acknowledgements) hasRoom(bytes int64) bool {
	return len(a.held) == 0 ||
		len(a.held) < maxUnacknowledged && a.bytes+bytes <= maxUnacknowledgedBytes && a.bounds.acknowledgements.has(heldAckBytes)
}

// hold takes the acknowledgement of the publish that is being processed, which had so many bytes.
func (a *acknowledgements) hold(packet []byte, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.written = &heldAck{packet: slices.Clone(packet), bytes: bytes}
	a.held = append(a.held, a.written)
	a.bytes += bytes
	a.bounds.acknowledgements.spend(heldAckBytes)
}

// await has what was written last wait for the receipt.
func (a *acknowledgements) await(r *receipt) {
	if ack := a.written; ack != nil {
		a.written = nil
		r.then(func(err error) { a.received(ack, err) })
	}
}

// received sends what may be sent with this receipt. One that comes when the connection has ended goes nowhere.
func (a *acknowledgements) received(ack *heldAck, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ack.receipt, ack.err = true, err
	for len(a.held) > 0 && a.held[0].receipt {
		a.send(a.held[0])
	}
	a.changed.Broadcast()
}

// send sends the first, or ends the connection of a client that can't be told that its message is not safe (MQTT 3.1.1
// §4.4): it sends it again when it comes back.
func (a *acknowledgements) send(first *heldAck) {
	switch {
	case first.err == nil:
		_, _ = a.write(first.packet) // where it fails, the connection ends
	case a.client.Properties.ProtocolVersion == 5:
		_, _ = a.write(refusal(first.packet, first.err))
	default:
		a.drop()
		a.spawn(func() { a.client.Stop(packets.ErrQuotaExceeded) }) // which may take its time to close
		return
	}
	a.forget(1)
}

// refusal is the acknowledgement with a reason code instead of success, and no properties (MQTT 5.0 §3.4.2, §3.5.2).
func refusal(ack []byte, err error) []byte {
	code := packets.ErrQuotaExceeded.Code
	if errors.Is(err, errNeverTaken) {
		code = packets.ErrImplementationSpecificError.Code
	}
	return []byte{ack[0], 3, ack[2], ack[3], code}
}

// forget gives back the room of the first n.
func (a *acknowledgements) forget(n int) {
	for i, ack := range a.held[:n] {
		a.bytes -= ack.bytes
		a.held[i] = nil
	}
	a.held = a.held[n:]
	a.bounds.acknowledgements.giveBack(int64(n) * heldAckBytes)
}

func (a *acknowledgements) drop() {
	a.closed = true
	a.forget(len(a.held))
	a.held = nil
	a.changed.Broadcast()
}

// close drops what is held: the client sends again what it got no acknowledgement of.
func (a *acknowledgements) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
}

// stop lets no further publish in.
func (a *acknowledgements) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
}

// awaitSent waits until nothing is held, or the time is over.
func (a *acknowledgements) awaitSent(until time.Time) {
	timer := time.AfterFunc(time.Until(until), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.changed.Broadcast()
	})
	defer timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.held) > 0 && time.Now().Before(until) {
		a.changed.Wait()
	}
}
