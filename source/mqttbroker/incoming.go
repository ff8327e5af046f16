package mqttbroker

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// How large a packet may be, and from which size on it takes room that it shares with others.
const (
	maxPacketBytes     = 1 << 20
	maxConnectBytes    = 384 << 10 // five texts of 64 KiB, and properties
	maxRequestBytes    = 128 << 10 // any packet but a CONNECT and a PUBLISH: a topic filter may have 64 KiB
	maxPropertiesBytes = 64 << 10
	freeConnectBytes   = 2 << 10
	readAheadBytes     = 2 << 10
)

// What mochi makes of a packet takes a multiple of its size: copies of it, and structures for each filter or property.
const (
	publishFactor = 8
	connectFactor = 16
	requestFactor = 64
)

const processingTimeout = 30 * time.Second // that a packet waits for the room to be processed

// incoming cuts what a client sends into packets, of which mochi gets the whole of one at a time: it would allocate what
// a packet's length announces, before anything of it came.
type incoming struct {
	conn     net.Conn
	raw      net.Conn // below TLS and WebSocket, so that closing it waits for nobody
	bounds   *bounds
	version  byte // of MQTT, as the CONNECT says
	loggedIn bool
	admit    func(header byte, size int) error // waits until the packet may come; nil: at once

	ahead      []byte // what was read and belongs to packets to come
	packet     []byte // what is left of the packet that mochi gets
	size       int    // of the whole of it
	place      *place // of the packet that is read; nil where it is small
	crowd      *crowd // of the place
	processing int64  // room that the packet takes while mochi is busy with it
}

// isConsumed tells whether mochi has taken the whole packet. When it asks for more then, it has done with it.
func (in *incoming) isConsumed() bool { return len(in.packet) == 0 }

func (in *incoming) read(p []byte) (int, error) {
	if in.isConsumed() {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.packet)
	in.packet = in.packet[n:]
	return n, nil
}

// settle gives back what the last packet took.
func (in *incoming) settle() {
	if in.place != nil {
		in.crowd.leave(in.place)
		in.place = nil
	}
	if in.processing > 0 {
		in.bounds.processing.Release(in.processing)
		in.processing = 0
	}
}

// release is the end of the connection.
func (in *incoming) release() {
	in.settle()
	in.ahead, in.packet = nil, nil
}

// next reads the next packet.
func (in *incoming) next() error {
	header, size, err := in.readHeader()
	if err != nil {
		return err
	}
	if size > in.largest(header) {
		return in.refuse(packets.ErrPacketTooLarge)
	}
	if in.admit != nil {
		if err := in.admit(header, size); err != nil {
			return err
		}
	}
	in.size = size
	if err := in.gather(size); err != nil {
		return err
	}
	switch {
	case !in.loggedIn:
		in.version = protocolLevel(in.packet)
	case in.version == 5 && publishPropertiesBytes(in.packet) > maxPropertiesBytes:
		return in.refuse(packets.ErrPacketTooLarge)
	}
	return in.awaitProcessing(header)
}

func (in *incoming) refuse(err error) error {
	in.bounds.refused(reasonPacket)
	in.packet = nil
	return err
}

func (in *incoming) largest(header byte) int {
	switch {
	case !in.loggedIn:
		return maxConnectBytes
	case header>>4 == packets.Publish:
		return maxPacketBytes
	}
	return maxRequestBytes
}

// readHeader reads ahead until the fixed header is there, and tells the whole packet's size (MQTT 5.0 §2.1).
func (in *incoming) readHeader() (header byte, size int, err error) {
	for {
		if size, complete, err := packetSize(in.ahead); err != nil || complete {
			return in.ahead[0], size, err
		}
		if err := in.readAhead(); err != nil {
			return 0, 0, err
		}
	}
}

// packetSize is the size of the packet that begins with these bytes, the fixed header included, if they tell.
func packetSize(begun []byte) (size int, complete bool, err error) {
	length := 0
	for i := 1; i < len(begun); i++ {
		length |= int(begun[i]&0x7F) << (7 * (i - 1))
		switch {
		case begun[i]&0x80 == 0:
			return 1 + i + length, true, nil
		case i == 4:
			return 0, false, packets.ErrMalformedVariableByteInteger // MQTT 5.0 §1.5.5
		}
	}
	return 0, false, nil
}

func (in *incoming) readAhead() error {
	if cap(in.ahead) == len(in.ahead) {
		size := readAheadBytes
		if !in.loggedIn {
			size = 128
		}
		in.ahead = append(make([]byte, 0, size), in.ahead...)
	}
	n, err := in.conn.Read(in.ahead[len(in.ahead):cap(in.ahead)])
	in.ahead = in.ahead[:len(in.ahead)+n]
	if n > 0 {
		return nil
	}
	return err
}

// gather reads the rest of the packet, which takes room as it comes.
func (in *incoming) gather(size int) error {
	if size <= len(in.ahead) {
		in.packet, in.ahead = in.ahead[:size:size], in.ahead[size:]
		return nil
	}
	packet := make([]byte, len(in.ahead), max(len(in.ahead), min(size, freeConnectBytes)))
	copy(packet, in.ahead)
	in.ahead = nil
	for len(packet) < size {
		if len(packet) == cap(packet) {
			larger := min(2*cap(packet), size)
			if !in.takeRoom(larger) {
				return packets.ErrQuotaExceeded
			}
			packet = append(make([]byte, 0, larger), packet...)
		}
		n, err := in.conn.Read(packet[len(packet):cap(packet)])
		packet = packet[:len(packet)+n]
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	in.packet = packet
	return nil
}

func (in *incoming) takeRoom(size int) bool {
	if in.place == nil {
		in.crowd = in.bounds.arriving
		if !in.loggedIn {
			in.crowd = in.bounds.logins
		}
		in.place = in.crowd.enter(in.raw)
	}
	return in.crowd.growTo(in.place, int64(size))
}

// awaitProcessing waits for the room that mochi needs for a large packet.
func (in *incoming) awaitProcessing(header byte) error {
	if len(in.packet) <= freeConnectBytes {
		return nil
	}
	if in.place != nil {
		in.crowd.stay(in.place)
	}
	factor := requestFactor
	switch {
	case !in.loggedIn:
		factor = connectFactor
	case header>>4 == packets.Publish:
		factor = publishFactor
	}
	ctx, cancel := context.WithTimeout(context.Background(), processingTimeout)
	defer cancel()
	room := min(int64(factor*len(in.packet)), in.bounds.processingBytes)
	if err := in.bounds.processing.Acquire(ctx, room); err != nil {
		return in.refuse(packets.ErrQuotaExceeded)
	}
	in.processing = room
	return nil
}
