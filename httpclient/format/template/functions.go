package template

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/fluxmq/webhookd/httpclient/format/internal/eventjson"
)

// MaxBytes bounds what the template of a body renders to, and every text on the way there.
const MaxBytes = 16 << 20

var errTextTooLong = fmt.Errorf("makes a text of more than %d bytes", MaxBytes)

// functions are what templates may call beside the functions of text/template. The value that a function works
// on is its last argument, so that it can come from a pipe. None knows the time, the machine or chance: the same event
// gives the same request at each attempt. Those of text/template that make a longer text are here again, bounded.
var functions = template.FuncMap{
	"json":       jsonText,
	"jsonEscape": jsonEscape,
	"text":       plainText,
	"parseJSON":  parsePayload,
	"default":    orDefault,
	"upper":      func(value any) string { return strings.ToUpper(Text(value)) },
	"lower":      func(value any) string { return strings.ToLower(Text(value)) },
	"trim":       func(value any) string { return strings.TrimSpace(Text(value)) },
	"replace":    replace,
	"truncate":   truncate,
	"date":       date,
	"contains":   func(part string, value any) bool { return strings.Contains(Text(value), part) },
	"hasPrefix":  func(prefix string, value any) bool { return strings.HasPrefix(Text(value), prefix) },

	"print":    bounded(fmt.Sprint),
	"println":  bounded(fmt.Sprintln),
	"html":     bounded(template.HTMLEscaper),
	"js":       bounded(template.JSEscaper),
	"urlquery": bounded(template.URLQueryEscaper),
	"printf":   printf,
}

// Text is what a template writes of the value, but nothing where there is none.
func Text(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	return fmt.Sprint(value)
}

// jsonText is any value as JSON: a text with its quotes.
func jsonText(value any) (string, error) {
	text, err := eventjson.Append(nil, value)
	if err != nil {
		return "", err
	}
	return withinBound(string(text))
}

// jsonEscape is the text as it may stand between the quotes of a JSON string.
func jsonEscape(value any) (string, error) {
	text, err := jsonText(Text(value))
	return strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`), err
}

// plainText is a payload as UTF-8 text, in which U+FFFD stands for each byte that is none.
func plainText(value any) string {
	if payload, ok := value.(payload); ok {
		return eventjson.ValidText(string(payload))
	}
	return Text(value)
}

// parsePayload is the value that a payload, or a text, holds as JSON.
func parsePayload(value any) (any, error) {
	parsed, err := parseJSON([]byte(plainText(value)))
	if err != nil {
		return nil, fmt.Errorf("the text is no JSON: %w", err)
	}
	return parsed, nil
}

// orDefault is the value, unless it is empty: "", 0, false, a list of nothing, or not there.
func orDefault(fallback, value any) any {
	if truth, _ := template.IsTrue(value); truth {
		return value
	}
	return fallback
}

func replace(old, replacement string, value any) (string, error) {
	text := Text(value)
	if len(text)+strings.Count(text, old)*(len(replacement)-len(old)) > MaxBytes {
		return "", errTextTooLong
	}
	return strings.ReplaceAll(text, old, replacement), nil
}

// truncate cuts a text to so many characters, of which the last is then "…".
func truncate(characters int, value any) (string, error) {
	if characters < 1 {
		return "", errors.New("can't truncate to less than one character")
	}
	text, kept := Text(value), 0
	for i := range text {
		if kept++; kept == characters {
			_, last := utf8.DecodeRuneInString(text[i:])
			if i+last == len(text) {
				break
			}
			return text[:i] + "…", nil
		}
	}
	return text, nil
}

// date writes a timestamp in UTC, by the layout of Go's package time.
func date(layout string, timestamp any) (string, error) {
	at, err := time.Parse(time.RFC3339Nano, Text(timestamp))
	if err != nil {
		return "", errors.New("the text is no time by RFC 3339, as .timestamp is")
	}
	return at.UTC().Format(layout), nil
}

// bounded refuses beforehand what the values alone make too long.
func bounded(write func(...any) string) func(...any) (string, error) {
	return func(values ...any) (string, error) {
		if all, _ := lengths(values); all > MaxBytes {
			return "", errTextTooLong
		}
		return withinBound(write(values...))
	}
}

// lengths are those of all values together and of the longest one, as texts.
func lengths(values []any) (all, longest int) {
	for _, value := range values {
		length := len(Text(value))
		all, longest = all+length, max(longest, length)
	}
	return all, longest
}

func withinBound(text string) (string, error) {
	if len(text) > MaxBytes {
		return "", errTextTooLong
	}
	return text, nil
}
