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

// subject is the event that expressions are evaluated about. It gives them their variables when they ask for them
// (cel.Activation).
type subject struct {
	id        string
	timestamp time.Time
	brokerID  string
	event     messages.Event
}

// Parent implements cel.Activation.
func (*subject) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (s *subject) ResolveName(name string) (any, bool) {
	if field, ok := strings.CutPrefix(name, dataPrefix); ok {
		return s.field(field)
	}
	switch name {
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
	if field, ok := fieldsByName[s.event.EventType()][name]; ok {
		return fieldKinds[field.Kind].value(field.Of(s.event)), true
	}
	field, ok := fieldsByName[0][name]
	if !ok {
		return nil, false
	}
	return fieldKinds[field.Kind].value(reflect.Zero(field.Kind).Interface()), true
}

// userProperties have the shape that they have in JSON.
func userProperties(given []messages.UserProperty) ref.Val {
	list := make([]map[string]string, len(given))
	for i, property := range given {
		list[i] = map[string]string{"name": property.Name, "value": property.Value}
	}
	return types.DefaultTypeAdapter.NativeToValue(list)
}
