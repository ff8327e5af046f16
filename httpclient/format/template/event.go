package template

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/fluxmq/webhookd/httpclient/format/internal/eventjson"
	"github.com/fluxmq/webhookd/messages"
)

// Event is what a template sees as its dot: the fields of the event's JSON, and of its data all that the type has, those
// too that the JSON leaves out.
func Event(e *messages.Envelope) (map[string]any, error) {
	event, err := e.Event()
	if err != nil {
		return nil, err
	}
	fields := messages.Fields(e.Type())
	data := make(map[string]any, len(fields))
	for _, field := range fields {
		data[field.Name] = fieldValue(field.Of(event))
	}
	return map[string]any{
		"event_type": e.Type().String(),
		"event_id":   e.ID,
		"timestamp":  e.Timestamp.Format(eventjson.TimestampLayout),
		"broker_id":  eventjson.ValidText(e.BrokerID),
		"data":       data,
	}, nil
}

func fieldValue(value any) any {
	switch value := value.(type) {
	case string:
		return eventjson.ValidText(value)
	case byte:
		return int(value)
	case uint16:
		return int(value)
	case []byte:
		return payload(value)
	case []messages.UserProperty:
		properties := make([]any, len(value))
		for i, property := range value {
			properties[i] = map[string]any{"name": eventjson.ValidText(property.Name), "value": eventjson.ValidText(property.Value)}
		}
		return properties
	}
	return value
}

// payload is written as base64, in JSON and elsewhere; the functions text and parseJSON give what is in it.
type payload []byte

func (p payload) String() string { return base64.StdEncoding.EncodeToString(p) }

// MarshalText makes JSON of a payload that isn't there the same as of an empty one.
func (p payload) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// number is a number of a parsed payload: compared as a float64, and written without an exponent.
type number float64

func (n number) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// parseNumbers makes numbers of the float64s that encoding/json reads.
func parseNumbers(value any) any {
	switch value := value.(type) {
	case float64:
		return number(value)
	case []any:
		for i, item := range value {
			value[i] = parseNumbers(item)
		}
	case map[string]any:
		for key, item := range value {
			value[key] = parseNumbers(item)
		}
	}
	return value
}

func parseJSON(text []byte) (any, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	return parseNumbers(value), nil
}
