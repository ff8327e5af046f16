package mqttbroker

import (
	"bytes"
	"net"

	"github.com/mochi-mqtt/server/v2/packets"
)

// nothing is the packet that stands for none: mochi must write one wherever it means to. A server never sends a PINGREQ
// (MQTT 5.0 §2.1.2), so that quietConn knows it.
var nothing = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}

var encodedNothing = []byte{packets.Pingreq << 4, 0}

// quietConn keeps to itself what stands for nothing. Each of its writes is one packet, because mochi's own buffer is
// off.
type quietConn struct {
	net.Conn
}

func (c *quietConn) Write(p []byte) (int, error) {
	if bytes.Equal(p, encodedNothing) {
		return len(p), nil
	}
	return c.Conn.Write(p)
}
