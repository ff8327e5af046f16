package format

import (
	"bytes"
	"cmp"
	"net/url"
	"strings"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format/internal/eventjson"
	"github.com/fluxmq/webhookd/messages"
)

// Content-Types of the structured and the batched mode (CloudEvents 1.0, HTTP binding §3.2.1 and §3.3.1). A charset, which
// JSON has not, would make some receivers refuse them.
const (
	cloudEventContentType  = "application/cloudevents+json"
	cloudEventsContentType = "application/cloudevents-batch+json"
)

// cloudEventVersion is that of the specification which all events keep.
const cloudEventVersion = "1.0"

// cloudEventBytes bounds what a CloudEvent has and the event's JSON has not, but for texts that need escapes.
const cloudEventBytes = 256

// cloudEventsFormat sends events as CloudEvents 1.0 (JSON format): one in structured mode, several in batched mode.
func cloudEventsFormat(batches bool) Format {
	if !batches {
		header := contentTypeHeader(cloudEventContentType)
		return func(events []*messages.Envelope) (Content, error) {
			body, err := appendCloudEvent(make([]byte, 0, cloudEventBytes+events[0].Size()), events[0])
			return Content{Header: header, Body: body}, err
		}
	}
	header := contentTypeHeader(cloudEventsContentType)
	return func(events []*messages.Envelope) (Content, error) {
		size := 0
		for _, event := range events {
			size += cloudEventBytes + event.Size()
		}
		array := make([]byte, 0, size)
		var err error
		for i, event := range events {
			if array, err = appendCloudEvent(append(array, opening(i)), event); err != nil {
				return Content{}, err
			}
		}
		return Content{Header: header, Body: append(array, ']')}, nil
	}
}

func appendCloudEvent(to []byte, e *messages.Envelope) ([]byte, error) {
	attributes, err := cloudEventAttributes(e)
	if err != nil {
		return nil, err
	}
	attributes = append(attributes, cloudEventAttribute{"datacontenttype", jsonContentType})
	to = append(to, '{')
	for i, attribute := range attributes {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), attribute.name...), `":`...)
		if to, err = eventjson.Append(to, attribute.value); err != nil {
			return nil, err
		}
	}
	to = append(to, `,"data":`...)
	return append(append(to, cloudEventData(e)...), '}'), nil
}

type cloudEventAttribute struct{ name, value string }

// cloudEventAttributes are those that do not depend on the mode. None is empty.
func cloudEventAttributes(e *messages.Envelope) ([]cloudEventAttribute, error) {
	subject, err := cloudEventSubject(e)
	if err != nil {
		return nil, err
	}
	attributes := []cloudEventAttribute{
		{"specversion", cloudEventVersion}, {"id", e.ID}, {"source", cloudEventSource(e.BrokerID)}, {"type", e.Type().String()},
		{"time", e.Timestamp.Format(eventjson.TimestampLayout)},
	}
	if subject != "" {
		attributes = append(attributes, cloudEventAttribute{"subject", cloudEventText(subject)})
	}
	return attributes, nil
}

// cloudEventData is taken out of the event's JSON, so that it is encoded once for all formats.
func cloudEventData(e *messages.Envelope) []byte {
	// No text of the envelope can hold this: in a text each quote has a backslash before it.
	_, data, _ := bytes.Cut(e.Body(), []byte(`,"data":`))
	return bytes.TrimSuffix(data, []byte("}")) // which closes the envelope
}

// cloudEventSource is the broker's id as a URI-reference of one segment, which has no scheme.
func cloudEventSource(brokerID string) string {
	id := eventjson.ValidText(cmp.Or(brokerID, config.DefaultBrokerID))
	return strings.ReplaceAll(url.PathEscape(id), ":", "%3A")
}

// subjectFields are what an event is about, the most telling first.
var subjectFields = []string{"topic", "topic_filter", "client_id"}

// cloudEventSubject is "" for an event that has none of the fields, or an empty one: the attribute may be left out, but
// may not be empty (CloudEvents 1.0 §3.1.2).
func cloudEventSubject(e *messages.Envelope) (string, error) {
	for _, name := range subjectFields {
		for _, field := range messages.Fields(e.Type()) {
			if field.Name != name {
				continue
			}
			if name == "topic" {
				return e.RoutingTopic(), nil // at hand where the event, and its payload, would have to be read again
			}
			event, err := e.Event()
			if err != nil {
				return "", err
			}
			return field.Of(event).(string), nil
		}
	}
	return "", nil
}

// cloudEventText replaces the characters that no attribute may have (CloudEvents 1.0 §2.4). The data has them all.
func cloudEventText(text string) string {
	return strings.Map(func(r rune) rune {
		control := r < ' ' || r >= 0x7f && r <= 0x9f
		if control || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
			return '\ufffd'
		}
		return r
	}, text)
}
