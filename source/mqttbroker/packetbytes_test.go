package mqttbroker

import "encoding/binary"

const megabyte = 1_000_000

// connectPacketOf is a CONNECT without keep alive; with resume the session outlives its connection for a day.
func connectPacketOf(version byte, id string, resume bool) []byte {
	flags := byte(2)
	if resume {
		flags = 0
	}
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', version, flags, 0, 0}
	if version == 5 && resume {
		body = append(body, 5, 0x11, 0, 1, 0x51, 0x80)
	} else if version == 5 {
		body = append(body, 0)
	}
	return packetOf(0x10, append(body, textOf(id)...))
}

// publishPacket has the packet id 1 where its QoS is not 0. One of MQTT 5.0 has its first byte of payload as the length of
// no properties.
func publishPacket(header byte, topic string, payload int) []byte {
	body := textOf(topic)
	if header&6 != 0 {
		body = append(body, 0, 1)
	}
	return packetOf(header, append(body, make([]byte, payload+1)...))
}

func subscribePacket(filter string, qos byte) []byte {
	return packetOf(0x82, append(append([]byte{0, 1}, textOf(filter)...), qos))
}

func packetOf(header byte, body []byte) []byte {
	packet := append([]byte{header}, remainingLength(len(body))...)
	return append(packet, body...)
}

func remainingLength(length int) []byte { return binary.AppendUvarint(nil, uint64(length)) }

func textOf(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}
