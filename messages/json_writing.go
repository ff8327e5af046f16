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

// texts bounds the JSON of the strings from above: what JSON escapes becomes six bytes.
func texts(values ...string) int {
	total := 0
	for _, value := range values {
		total += len(value)
		for _, r := range value {
			if escaped(r) {
				total += 5
			}
		}
	}
	return total
}

// escaped tells whether encoding/json writes the character as an escape; utf8.RuneError stands for a byte that is no
// UTF-8.
func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
}
