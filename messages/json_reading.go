package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func decodeStrictly(text []byte, target any, prefix string) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return nameField(err, prefix)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows the event's JSON object")
	}
	return nil
}

// nameField turns an error of encoding/json into one that names the field as its sender knows it.
func nameField(err error, prefix string) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		field := strings.TrimSuffix(prefix+wrongType.Field, ".")
		if field == "" {
			return fmt.Errorf("is a JSON %.64s, not an object", wrongType.Value)
		}
		return &FieldError{field, fmt.Sprintf("can't be a JSON %.64s", wrongType.Value)}
	}
	var notBase64 base64.CorruptInputError // has no field's name, but only the payload is base64
	if errors.As(err, &notBase64) {
		return &FieldError{prefix + "payload", fmt.Sprintf("is not base64 at its byte %d", int64(notBase64))}
	}
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if name, unquoteErr := strconv.Unquote(quoted); unquoteErr == nil {
			return &FieldError{fmt.Sprintf("%s%.64s", prefix, name), "is not a field of this event"}
		}
	}
	return fmt.Errorf("is no JSON: %w", err)
}
