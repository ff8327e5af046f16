// Package excerpt shows the beginning of what somebody else said, so that it can stand in a log: bounded, in one line of
// text, and without the secrets that it may repeat.
package excerpt

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is how much of a text is shown, before what needs an escape grows, at most sixfold.
const MaxBytes = 200

const (
	redacted  = "[secret]"
	truncated = "…"
)

// Of is the beginning of the text in one line: control characters, what looks like another character than it is, and what
// is not valid UTF-8 are escaped as in Go, each secret is replaced by "[secret]", and "…" stands for the rest. Of a
// long text it looks at the first Needed bytes.
func (s Secrets) Of(text []byte) string {
	text = bytes.TrimSpace(text)
	var shown strings.Builder
	for position := 0; position < len(text); {
		if position >= MaxBytes {
			return shown.String() + truncated
		}
		if length := s.at(text[position:]); length > 0 {
			shown.WriteString(redacted)
			position += length
			continue
		}
		character, size := utf8.DecodeRune(text[position:])
		if position+size > MaxBytes {
			return shown.String() + truncated
		}
		writeEscaped(&shown, character, text[position:position+size])
		position += size
	}
	return shown.String()
}

func writeEscaped(to *strings.Builder, character rune, encoded []byte) {
	switch {
	case character == utf8.RuneError && len(encoded) == 1:
		fmt.Fprintf(to, `\x%02x`, encoded[0])
	case character == '\n':
		to.WriteString(`\n`)
	case character == '\r':
		to.WriteString(`\r`)
	case character == '\t':
		to.WriteString(`\t`)
	case unicode.IsPrint(character):
		to.WriteRune(character)
	case character > 0xffff:
		fmt.Fprintf(to, `\U%08x`, character)
	default:
		fmt.Fprintf(to, `\u%04x`, character)
	}
}
