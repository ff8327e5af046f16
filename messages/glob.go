package messages

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxGlobBytes is the longest glob. The steps that a match takes are at most the product of both lengths.
const MaxGlobBytes = 256

// Glob is a pattern of client ids: "*" stands for any number of characters, "?" for one, everything else for itself. It
// is the whole text that matches or not. The zero value matches nothing but the empty text.
type Glob struct {
	text string
}

// ParseGlob checks the text: 1 to MaxGlobBytes bytes of UTF-8.
func ParseGlob(text string) (Glob, error) {
	switch {
	case text == "":
		return Glob{}, errors.New(`is empty, which no client id is: "*" stands for all`)
	case len(text) > MaxGlobBytes:
		return Glob{}, fmt.Errorf("has %d bytes, and at most %d are allowed", len(text), MaxGlobBytes)
	case !utf8.ValidString(text):
		return Glob{}, errors.New("is not valid UTF-8")
	}
	return Glob{text: text}, nil
}

// String is the glob as it was written.
func (g Glob) String() string { return g.text }

// Matches tells whether the whole text matches. A byte of it that is no UTF-8 counts as a character.
func (g Glob) Matches(text string) bool {
	first, rest, star := strings.Cut(g.text, "*")
	text, ok := cutLiteral(text, first)
	if !ok || !star {
		return ok && text == ""
	}
	for {
		var literal string
		literal, rest, star = strings.Cut(rest, "*")
		if !star {
			return endsWithLiteral(text, literal)
		}
		// The first place is as good as any: what it leaves for the rest holds what a later one would.
		if text, ok = cutPastLiteral(text, literal); !ok {
			return false
		}
	}
}

// cutLiteral takes the literal, in which "?" stands for one character, off the beginning of the text.
func cutLiteral(text, literal string) (rest string, ok bool) {
	for {
		plain, after, wild := strings.Cut(literal, "?")
		if text, ok = strings.CutPrefix(text, plain); !ok || !wild {
			return text, ok
		}
		if text == "" {
			return "", false
		}
		text, literal = text[widthOf(text):], after
	}
}

// cutPastLiteral cuts the text behind the first place where the literal stands.
func cutPastLiteral(text, literal string) (rest string, ok bool) {
	if !strings.Contains(literal, "?") {
		_, rest, ok = strings.Cut(text, literal)
		return rest, ok
	}
	for {
		if rest, ok = cutLiteral(text, literal); ok || text == "" {
			return rest, ok
		}
		text = text[widthOf(text):]
	}
}

// endsWithLiteral tells whether the literal stands at the end of the text.
func endsWithLiteral(text, literal string) bool {
	if !strings.Contains(literal, "?") {
		return strings.HasSuffix(text, literal)
	}
	for more := utf8.RuneCountInString(text) - utf8.RuneCountInString(literal); more > 0; more-- {
		text = text[widthOf(text):]
	}
	rest, ok := cutLiteral(text, literal)
	return ok && rest == ""
}

func widthOf(text string) int {
	_, width := utf8.DecodeRuneInString(text)
	return width
}
