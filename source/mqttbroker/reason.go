package mqttbroker

import (
	"fmt"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	reasonNotAuthorized = "not authorized"
	reasonInvalidFilter = "topic filter invalid"
	reasonPacketIDInUse = "packet identifier in use"
)

// connectReturnCodes are what a CONNACK of MQTT 3 can say (MQTT 3.1.1 §3.2.2.3).
var connectReturnCodes = map[byte]string{
	1: "unacceptable protocol version",
	2: "identifier rejected",
	3: "server unavailable",
	4: "bad username or password",
	5: reasonNotAuthorized,
}

// subscribeReasonCodes are what a SUBACK can say (MQTT 5.0 §3.9.3), and what mochi says besides.
var subscribeReasonCodes = map[byte]string{
	0x82: "protocol violation",
	0x83: "implementation specific error",
	0x87: reasonNotAuthorized,
	0x8F: reasonInvalidFilter,
	0x91: reasonPacketIDInUse,
	0x97: "quota exceeded",
	0x9E: "shared subscriptions not supported",
	0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// connackReason says why a login was refused: the reason that the CONNACK gives, or else the name of its code. A login
// with a wrong password is "bad username or password" in MQTT 5.0 and "not authorized" in MQTT 3, where mochi sends
// that.
func connackReason(pk *packets.Packet) string {
	if pk.Properties.ReasonString != "" {
		return pk.Properties.ReasonString
	}
	return codeName(connectReturnCodes, pk.ReasonCode)
}

// subackReason says why a filter was refused. The code 0x80 hides that, which is all that MQTT 3 has.
func subackReason(cl *mqtt.Client, pk *packets.Packet, filter string, code byte) string {
	if code != packets.ErrUnspecifiedError.Code {
		return codeName(subscribeReasonCodes, code)
	}
	if _, inUse := cl.State.Inflight.Get(pk.PacketID); inUse {
		return reasonPacketIDInUse
	}
	if !validSubscription(filter) {
		return reasonInvalidFilter
	}
	return reasonNotAuthorized
}

func codeName(names map[byte]string, code byte) string {
	if name, ok := names[code]; ok {
		return name
	}
	return fmt.Sprintf("reason code 0x%02X", code)
}
