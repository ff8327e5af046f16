package mqttbroker

import "encoding/binary"

// protocolLevel is the version of MQTT that a CONNECT says (MQTT 5.0 §3.1.2.2); 0 where it is cut short.
func protocolLevel(connect []byte) byte {
	rest := afterText(variableHeader(connect))
	if len(rest) == 0 {
		return 0
	}
	return rest[0]
}

// publishPropertiesBytes is the length of the properties of a PUBLISH of MQTT 5.0 (§3.3.2.3); 0 for another packet, and for
// one that is cut short.
func publishPropertiesBytes(packet []byte) int {
	if packet[0]>>4 != 3 {
		return 0
	}
	rest := afterText(variableHeader(packet))
	if hasPacketID := packet[0]&6 != 0; hasPacketID {
		rest = rest[min(2, len(rest)):]
	}
	length, _ := binary.Uvarint(rest[:min(4, len(rest))])
	return int(length)
}

// variableHeader is what follows the fixed header (MQTT 5.0 §2.1).
func variableHeader(packet []byte) []byte {
	_, n := binary.Uvarint(packet[1:min(5, len(packet))])
	return packet[min(1+max(n, 0), len(packet)):]
}

// afterText is what follows a text with its length before it (MQTT 5.0 §1.5.4).
func afterText(rest []byte) []byte {
	if len(rest) < 2 {
		return nil
	}
	return rest[min(2+int(binary.BigEndian.Uint16(rest)), len(rest)):]
}
