// Package terminal makes texts of strangers fit to be shown: they can do nothing to the terminal of whoever reads them.
package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Printable tells whether every character of the text can be seen, and does nothing else.
func Printable(text string) bool {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

// Shown is a text of a stranger's that can't do anything to a terminal, in so many characters at most.
func Shown(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit-1]) + "…"
	}
	if !Printable(text) {
		return fmt.Sprintf("%+q", text)
	}
	return text
}

// JSON is JSON that can't do anything to a terminal: whatever is not printable, which only texts can have, is escaped.
func JSON(text []byte) string {
	var safe strings.Builder
	for _, r := range string(text) {
		switch {
		case r == '\n' || Printable(string(r)):
			safe.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return safe.String()
}
