package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Events are encoded by hand: encoding/json took a twelfth of the whole way of an event, most of it for reflection. A
// test holds both to the same bytes.

// object is a JSON object that is being written.
type object []byte

func (o object) next(key string) object {
	if len(o) > 0 && o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	o = append(o, '"')
	o = append(o, key...)
	return append(o, '"', ':')
}

func (o object) text(key, value string) object {
	return appendText(o.next(key), value)
}

func (o object) number(key string, value int) object {
	return strconv.AppendInt(o.next(key), int64(value), 10)
}

func (o object) truth(key string, value bool) object {
	return strconv.AppendBool(o.next(key), value)
}

func (o object) payload(key string, value []byte) object {
	o = append(o.next(key), '"')
	return append(base64.StdEncoding.AppendEncode(o, value), '"')
}

func (o object) properties(key string, values []UserProperty) object {
	o = append(o.next(key), '[')
	for i, property := range values {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(append(o, '{').text("name", property.Name).text("value", property.Value), '}')
	}
	return append(o, ']')
}

// appendText leaves what JSON has to escape, which hardly ever occurs, to encoding/json.
func appendText(to []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			return appendEscaped(to, text)
		}
	}
	to = append(to, '"')
	to = append(to, text...)
	return append(to, '"')
}

func appendEscaped(to []byte, text string) []byte {
	buffer := bytes.NewBuffer(to)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string is encoded, and a buffer written to, without fail
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}

func (e *ClientConnected) encode(o object) object {
	return o.text("client_id", e.ClientID).text("protocol", e.Protocol).truth("clean_start", e.CleanStart).
		number("keep_alive", int(e.KeepAlive)).text("remote_addr", e.RemoteAddr)
}

func (e *ClientDisconnected) encode(o object) object {
	return o.text("client_id", e.ClientID).text("reason", e.Reason).text("remote_addr", e.RemoteAddr)
}

func (e *ClientSessionTakeover) encode(o object) object {
	return o.text("client_id", e.ClientID).text("from_node", e.FromNode).text("to_node", e.ToNode)
}

func (e *MessagePublished) encode(o object) object {
	o = o.text("client_id", e.ClientID).text("topic", e.Topic).number("qos", int(e.QoS)).truth("retained", e.Retained).
		number("payload_size", e.PayloadSize)
	if len(e.Payload) > 0 {
		o = o.payload("payload", e.Payload)
	}
	if e.PayloadOmitted {
		o = o.truth("payload_omitted", true)
	}
	if e.ContentType != "" {
		o = o.text("content_type", e.ContentType)
	}
	if len(e.UserProperties) > 0 {
		o = o.properties("user_properties", e.UserProperties)
	}
	return o
}

func (e *MessageDelivered) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic", e.Topic).number("qos", int(e.QoS)).
		number("payload_size", e.PayloadSize)
}

func (e *MessageRetained) encode(o object) object {
	return o.text("topic", e.Topic).number("payload_size", e.PayloadSize).truth("cleared", e.Cleared)
}

func (e *SubscriptionCreated) encode(o object) object {
	o = o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter).number("qos", int(e.QoS))
	if e.SubscriptionID != 0 {
		o = o.number("subscription_id", e.SubscriptionID)
	}
	return o
}

func (e *SubscriptionRemoved) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter)
}

func (e *AuthSuccess) encode(o object) object {
	return o.text("client_id", e.ClientID).text("remote_addr", e.RemoteAddr)
}

func (e *AuthFailure) encode(o object) object {
	return o.text("client_id", e.ClientID).text("reason", e.Reason).text("remote_addr", e.RemoteAddr)
}

func (e *AuthzPublishDenied) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic", e.Topic).text("reason", e.Reason)
}

func (e *AuthzSubscribeDenied) encode(o object) object {
	return o.text("client_id", e.ClientID).text("topic_filter", e.TopicFilter).text("reason", e.Reason)
}
