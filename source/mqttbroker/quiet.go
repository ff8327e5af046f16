package mqttbroker

import (
	"bytes"

	"github.com/mochi-mqtt/server/v2/packets"
)

// nothing is the packet that stands for none: mochi must write one wherever it means to. A server never sends a PINGREQ
// (MQTT 5.0 §2.1.2), so that the connection knows it.
var nothing = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}

var encodedNothing = []byte{packets.Pingreq << 4, 0}

// isNothing tells whether what mochi writes, a packet at a time because its own buffer is off, is to be left out.
func isNothing(written []byte) bool { return bytes.Equal(written, encodedNothing) }
