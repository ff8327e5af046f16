// Package eventjson is how the parts of an event stand in its JSON, for the formats that put them elsewhere.
package eventjson

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// TimestampLayout is how a UTC time stands in an event's JSON.
const TimestampLayout = "2006-01-02T15:04:05.000000000Z07:00"

// Append writes the value as JSON, with no escapes for HTML, as messages.Envelope.Body does.
func Append(to []byte, value any) ([]byte, error) {
	buffer := bytes.NewBuffer(to)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// ValidText replaces each byte that is no UTF-8, as encoding/json does, so that an event that is read again from its JSON
// has the same texts.
func ValidText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}
