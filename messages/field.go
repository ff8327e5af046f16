package messages

import (
	"reflect"
	"strings"
)

// Field is one field of the "data" of an event type.
type Field struct {
	Name string // its key in JSON
	Kind reflect.Type

	index int
}

var fieldsOf = func() (fields [TypeCount + 1][]Field) {
	for _, t := range Types() {
		fields[t] = fieldsOfStruct(reflect.TypeOf(newEvent(t)).Elem())
	}
	return fields
}()

func fieldsOfStruct(structure reflect.Type) (fields []Field) {
	for i := range structure.NumField() {
		name, _, _ := strings.Cut(structure.Field(i).Tag.Get("json"), ",")
		fields = append(fields, Field{Name: name, Kind: structure.Field(i).Type, index: i})
	}
	return fields
}

// Fields lists the fields of an event type, in the order of its JSON.
func Fields(t Type) []Field { return fieldsOf[t] }

// Of is the field's value in an event of its type.
func (f Field) Of(event Event) any {
	return reflect.ValueOf(event).Elem().Field(f.index).Interface()
}
