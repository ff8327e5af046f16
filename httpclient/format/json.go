package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// isJSON tells whether the media type is JSON: application/json, or one that ends in +json (RFC 6839 §3.1).
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == jsonContentType || strings.HasSuffix(mediaType, "+json"))
}

// checkJSON says where the text stops being JSON in UTF-8 (RFC 8259 §8.1).
func checkJSON(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("no JSON: it is not valid UTF-8")
	}
	err := json.Unmarshal(text, &ignored{})
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := text[:max(syntax.Offset-1, 0)]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return fmt.Errorf("no JSON at line %d, column %d: %w", line, column, syntax)
	}
	return err
}

// ignored takes any JSON and keeps none of it.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }
