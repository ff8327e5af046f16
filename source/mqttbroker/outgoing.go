package mqttbroker

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	flushBytes    = 64 << 10 // are written at a time; a client has writeTimeout for them
	smallestChunk = 512      // bytes that small packets share
)

var errSlowClient = errors.New("the client does not take what is sent to it")

// outgoing is what waits to be sent to one client.
type outgoing struct {
	conn   net.Conn
	raw    net.Conn // below TLS and WebSocket, so that closing it waits for nobody
	bounds *bounds
	spawn  func(func())

	mu      *sync.Mutex
	changed *sync.Cond // with each change of what follows
	waiting [][]byte
	held    int64     // bytes that wait or are being written
	writing bool      // whether a goroutine flushes
	err     error     // why nothing more is taken
	until   time.Time // where err is: when what still waits has to be written
	failed  bool      // nothing is written any more
}

func newOutgoing(conn, raw net.Conn, b *bounds, spawn func(func())) outgoing {
	mu := new(sync.Mutex)
	return outgoing{conn: conn, raw: raw, bounds: b, spawn: spawn, mu: mu, changed: sync.NewCond(mu)}
}

func (o *outgoing) write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	if o.held+int64(len(p)) > o.bounds.clientBytes+o.bounds.sessionQueueBytes {
		// What may be dropped was not handed over to begin with, so that these are answers that nobody reads.
		o.fail(errSlowClient)
		o.bounds.refused(reasonOutgoing)
		return 0, o.err
	}
	o.append(p)
	o.held += int64(len(p))
	o.bounds.outgoing.spend(int64(len(p)))
	if !o.writing {
		o.writing = true
		o.spawn(o.flush)
	}
	return len(p), nil
}

// append copies the packet, behind the last one where there is room.
func (o *outgoing) append(p []byte) {
	if last := len(o.waiting) - 1; last >= 0 && cap(o.waiting[last])-len(o.waiting[last]) >= len(p) {
		o.waiting[last] = append(o.waiting[last], p...)
		return
	}
	o.waiting = append(o.waiting, append(make([]byte, 0, max(len(p), smallestChunk)), p...))
}

// flush writes until nothing waits any more.
func (o *outgoing) flush() {
	o.mu.Lock()
	for len(o.waiting) > 0 {
		chunk := o.waiting[0]
		o.waiting[0] = nil
		o.waiting = o.waiting[1:]
		for len(chunk) > 0 {
			part := chunk[:min(len(chunk), flushBytes)]
			o.writePart(part)
			chunk = chunk[len(part):]
		}
	}
	o.waiting = nil
	o.writing = false
	closes := o.err != nil
	o.changed.Broadcast()
	o.mu.Unlock()
	if closes {
		_ = o.conn.Close()
	}
}

// writePart unlocks while it writes. After a failure it only counts.
func (o *outgoing) writePart(part []byte) {
	if !o.failed {
		deadline := o.until
		if deadline.IsZero() {
			deadline = time.Now().Add(writeTimeout)
		}
		o.mu.Unlock()
		_ = o.conn.SetWriteDeadline(deadline)
		_, err := o.conn.Write(part)
		o.mu.Lock()
		if err != nil {
			// Not wrapped: a time-out here is not the client's keep alive, for which mochi would take it.
			o.fail(errors.New("write to the client: " + err.Error()))
		}
	}
	o.held -= int64(len(part))
	o.bounds.outgoing.giveBack(int64(len(part)))
	o.changed.Broadcast()
}

func (o *outgoing) fail(err error) {
	if o.err == nil {
		o.err = err
	}
	o.failed = true
	_ = o.raw.Close()
	o.changed.Broadcast()
}

// has tells whether a message may wait for the client. One with QoS 1 or 2, which is in the session's queue too, may in the
// room of that.
func (o *outgoing) has(bytes int64, qos byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if qos > 0 {
		return o.held+bytes <= o.bounds.clientBytes+o.bounds.sessionQueueBytes/2
	}
	return o.held+bytes <= o.bounds.clientBytes && o.bounds.outgoing.has(bytes)
}

// awaitRoomUntil waits until so many bytes more may wait, or the time is over.
func (o *outgoing) awaitRoomUntil(bytes int64, end time.Time) {
	timer := time.AfterFunc(time.Until(end), o.changed.Broadcast)
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.held > 0 && o.held+bytes > o.bounds.clientBytes && time.Now().Before(end) {
		o.changed.Wait()
	}
}

// awaitRoom waits until at most half of what may wait does.
func (o *outgoing) awaitRoom() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.held > o.bounds.clientBytes/2 {
		o.changed.Wait()
	}
	return o.err
}

// close takes nothing more, and closes the connection when all is written, or disconnectGrace is over.
func (o *outgoing) close() error {
	o.mu.Lock()
	first, writing := o.err == nil, o.writing
	if first {
		o.err, o.until = net.ErrClosed, time.Now().Add(disconnectGrace)
		o.changed.Broadcast()
	}
	o.mu.Unlock()
	switch {
	case !first:
		return nil
	case writing:
		return o.conn.SetWriteDeadline(time.Now().Add(disconnectGrace))
	}
	return o.conn.Close()
}

// await returns when nothing is written any more.
func (o *outgoing) await() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing {
		o.changed.Wait()
	}
}
