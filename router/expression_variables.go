package router

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/fluxmq/webhookd/messages"
)

const dataPrefix = "data."

// fieldKinds says what a field is in an expression, by what it is in Go. value makes it; the zero of the Go type stands
// for a field that the event's type does not have.
var fieldKinds = map[reflect.Type]struct {
	celType *cel.Type
	value   func(any) ref.Val
}{
	reflect.TypeFor[string](): {cel.StringType, func(v any) ref.Val { return types.String(v.(string)) }},
	reflect.TypeFor[bool]():   {cel.BoolType, func(v any) ref.Val { return types.Bool(v.(bool)) }},
	reflect.TypeFor[int]():    {cel.IntType, func(v any) ref.Val { return types.Int(v.(int)) }},
	reflect.TypeFor[byte]():   {cel.IntType, func(v any) ref.Val { return types.Int(v.(byte)) }},
	reflect.TypeFor[uint16](): {cel.IntType, func(v any) ref.Val { return types.Int(v.(uint16)) }},
	reflect.TypeFor[[]byte](): {cel.BytesType, func(v any) ref.Val { return types.Bytes(v.([]byte)) }},
	reflect.TypeFor[[]messages.UserProperty](): {
		cel.ListType(cel.MapType(cel.StringType, cel.StringType)),
		func(v any) ref.Val { return userProperties(v.([]messages.UserProperty)) },
	},
}

// fieldsByName are the fields of each event type. At 0 are those of all types together.
var fieldsByName = func() (byName [messages.TypeCount + 1]map[string]messages.Field) {
	byName[0] = map[string]messages.Field{}
	for _, eventType := range messages.Types() {
		byName[eventType] = map[string]messages.Field{}
		for _, field := range messages.Fields(eventType) {
			byName[eventType][field.Name], byName[0][field.Name] = field, field
		}
	}
	return byName
}()

// variables declares what an expression about events of the types may name.
func variables(eventTypes []messages.Type) []cel.EnvOption {
	declared := []cel.EnvOption{
		cel.Variable("event_type", cel.StringType),
		cel.Variable("event_id", cel.StringType),
		cel.Variable("broker_id", cel.StringType),
		cel.Variable("timestamp", cel.TimestampType),
	}
	for _, name := range fieldNames(eventTypes) {
		declared = append(declared, cel.Variable(dataPrefix+name, fieldKinds[fieldsByName[0][name].Kind].celType))
	}
	return declared
}

// fieldNames are the fields that events of these types have, each once.
func fieldNames(eventTypes []messages.Type) []string {
	var names []string
	for _, eventType := range eventTypes {
		for _, field := range messages.Fields(eventType) {
			if !slices.Contains(names, field.Name) {
				names = append(names, field.Name)
			}
		}
	}
	return names
}

// subject is the event that expressions are evaluated about, one after the other. It gives them their variables when they
// ask for them (cel.Activation), and keeps what takes long to make.
type subject struct {
	id        string
	timestamp time.Time
	brokerID  string
	event     messages.Event

	meter      meter
	properties ref.Val // nil until an expression asked
	text       ref.Val // of the payload, or why it is none; nil until an expression asked
}

// Parent implements cel.Activation.
func (*subject) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (s *subject) ResolveName(name string) (any, bool) {
	if field, ok := strings.CutPrefix(name, dataPrefix); ok {
		return s.field(field)
	}
	switch name {
	case subjectName:
		return s, true
	case "event_type":
		return types.String(s.event.EventType().String()), true
	case "event_id":
		return types.String(s.id), true
	case "broker_id":
		return types.String(s.brokerID), true
	case "timestamp":
		return types.Timestamp{Time: s.timestamp}, true
	}
	return nil, false
}

func (s *subject) field(name string) (any, bool) {
	field, ok := fieldsByName[s.event.EventType()][name]
	if ok {
		if properties, ok := field.Of(s.event).([]messages.UserProperty); ok {
			return s.userProperties(properties), true
		}
		return fieldKinds[field.Kind].value(field.Of(s.event)), true
	}
	if field, ok = fieldsByName[0][name]; !ok {
		return nil, false
	}
	return fieldKinds[field.Kind].value(reflect.Zero(field.Kind).Interface()), true
}

// userProperties are the event's as an expression sees them, made once.
func (s *subject) userProperties(given []messages.UserProperty) ref.Val {
	if s.properties == nil {
		s.meter.chargeEvent(time.Duration(len(given)) * madeProperty)
		s.properties = userProperties(given)
	}
	return s.properties
}

// payloadText is the event's payload as a text, made once.
func (s *subject) payloadText() ref.Val {
	if s.text == nil {
		payload, _ := s.field("payload")
		bytes := payload.(types.Bytes)
		s.meter.chargeEvent(decoding.of(len(bytes)))
		s.text = bytes.ConvertToType(types.StringType)
	}
	return s.text
}
