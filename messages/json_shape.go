package messages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// What a sender's JSON may unfold to is bounded before anything of it is unfolded: by the keys that it may have, each
// once, and in their own case; by the kind of each value, so that nothing nests deeper than an event does; and by the
// least that its texts and lists can come to.

const (
	maxNumberBytes = 64
	maxEscapeBytes = len(`\u0000`) // that stand for one byte
)

var propertyFields = fieldsOfStruct(reflect.TypeFor[UserProperty]())

// checkObject finds what can't be unfolded into these fields in a valid JSON object.
func checkObject(object []byte, fields []Field) error {
	var seen uint64
	for key, value := range members(object) {
		name := unquote(key)
		i := slices.IndexFunc(fields, func(field Field) bool { return field.Name == name })
		if i < 0 {
			return &FieldError{fmt.Sprintf("%.64s", name), "is not a field of this event"}
		}
		if seen&(1<<i) != 0 {
			return &FieldError{name, "is there twice"}
		}
		seen |= 1 << i
		if err := checkValue(value, fields[i].Kind); err != nil {
			return under(name, err)
		}
	}
	return nil
}

// checkValue takes null for every kind: it stands for a field that is not there.
func checkValue(value []byte, kind reflect.Type) error {
	given, wanted := jsonKind(value), jsonKindOf(kind)
	switch {
	case given == "null" || wanted == "":
		return nil
	case given != wanted:
		return wrongKind(given)
	case wanted == "array":
		return checkPropertyArray(value)
	case wanted == "number" && len(value) > maxNumberBytes:
		return wrongKind("number " + string(value[:maxNumberBytes]))
	case wanted == "string" && kind.Kind() != reflect.Slice:
		return checkQuotedLength(value)
	}
	return nil
}

func wrongKind(given string) error { return fmt.Errorf("can't be a JSON %.64s", given) }

func checkQuotedLength(quoted []byte) error {
	least, exact := leastBytes(quoted)
	switch {
	case least <= MaxTextBytes:
		return nil
	case exact:
		return tooLong(fmt.Sprint(least))
	}
	return tooLong(fmt.Sprint("at least ", least))
}

func checkPropertyArray(array []byte) error {
	size := 0
	for i, property := range elements(array) {
		if kind := jsonKind(property); kind != "object" {
			return under(fmt.Sprintf("[%d]", i), wrongKind(kind))
		}
		if err := checkObject(property, propertyFields); err != nil {
			return under(fmt.Sprintf("[%d]", i), err)
		}
		for _, text := range members(property) {
			least, _ := leastBytes(text)
			size += least
		}
		if err := checkPropertySums(i+1, size); err != nil {
			return err
		}
	}
	return nil
}

// leastBytes is how long the text of a JSON string is at least; exact, where nothing is escaped.
func leastBytes(quoted []byte) (least int, exact bool) {
	inside := len(quoted) - len(`""`)
	if bytes.IndexByte(quoted, '\\') >= 0 {
		return inside / maxEscapeBytes, false
	}
	return inside, true
}

// unquote reads a valid JSON string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // a valid string is read without fail
	return text
}

// under puts the name of a field in front of what is wrong with it, or within it.
func under(name string, err error) error {
	var inner *FieldError
	switch {
	case !errors.As(err, &inner):
		return &FieldError{name, err.Error()}
	case strings.HasPrefix(inner.Field, "["):
		return &FieldError{name + inner.Field, inner.Problem}
	}
	return &FieldError{name + "." + inner.Field, inner.Problem}
}

// jsonKind names the kind of a valid JSON value as encoding/json does.
func jsonKind(value []byte) string {
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}

// jsonKindOf is the kind of JSON value that a field is read from; "" for one that is read apart.
func jsonKindOf(kind reflect.Type) string {
	switch kind.Kind() {
	case reflect.Interface:
		return ""
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Slice:
		if kind.Elem().Kind() == reflect.Struct {
			return "array"
		}
		return "string" // base64
	}
	return "number"
}
