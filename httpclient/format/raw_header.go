package format

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/httpclient/format/internal/eventjson"
	"github.com/fluxmq/webhookd/messages"
)

// What all headers of an event may have together. What would pass a bound is left out.
const (
	maxRawHeaders     = 100
	maxRawHeaderBytes = 16 << 10 // of names and values
)

// No header of ours or of HTTP begins with these.
const (
	rawHeaderPrefix    = "Mqtt-"
	userPropertyPrefix = rawHeaderPrefix + "User-"
	leftOutHeader      = rawHeaderPrefix + "Left-Out"
)

// eventHeaders collects the headers of one event.
type eventHeaders struct {
	header       http.Header
	count, bytes int
	leftOut      int
}

// rawHeader gives each field of the event a header of its own, and each user property one whose name is that of the
// property, if that may be a header's name (RFC 9110 §5.1).
func rawHeader(e *messages.Envelope, event *messages.MessagePublished) http.Header {
	h := eventHeaders{header: http.Header{}}
	h.add("event_type", e.Type().String())
	h.add("event_id", e.ID)
	h.add("timestamp", e.Timestamp.Format(eventjson.TimestampLayout))
	h.add("broker_id", e.BrokerID)
	h.add("client_id", event.ClientID)
	h.add("topic", event.Topic)
	h.add("qos", strconv.Itoa(int(event.QoS)))
	h.add("retained", strconv.FormatBool(event.Retained))
	h.add("payload_size", strconv.Itoa(event.PayloadSize))
	if event.ContentType != "" {
		h.add("content_type", event.ContentType)
	}
	for _, property := range event.UserProperties {
		if httpguts.ValidHeaderFieldName(property.Name) {
			h.set(userPropertyPrefix+property.Name, property.Value)
		} else {
			h.leftOut++
		}
	}
	if h.leftOut > 0 {
		h.header[leftOutHeader] = []string{strconv.Itoa(h.leftOut)}
	}
	return h.header
}

func (h *eventHeaders) add(field, value string) {
	h.set(rawHeaderPrefix+strings.ReplaceAll(field, "_", "-"), value)
}

func (h *eventHeaders) set(name, value string) {
	name, value = http.CanonicalHeaderKey(name), headerValue(eventjson.ValidText(value))
	if h.count == maxRawHeaders || h.bytes+len(name)+len(value) > maxRawHeaderBytes {
		h.leftOut++
		return
	}
	h.count++
	h.bytes += len(name) + len(value)
	h.header[name] = append(h.header[name], value)
}

// headerValue percent-encodes all bytes but those of visible ASCII characters, and the percent sign (RFC 3986 §2.1). So a
// receiver gets back every text exactly, and no text can be more than one value.
func headerValue(text string) string {
	var encoded strings.Builder
	for i := range len(text) {
		if b := text[i]; b > ' ' && b < 0x7f && b != '%' {
			encoded.WriteByte(b)
		} else {
			fmt.Fprintf(&encoded, "%%%02X", b)
		}
	}
	return encoded.String()
}
