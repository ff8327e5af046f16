package listen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"strings"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
)

const (
	maxPrint = 400 // bytes of a body that a line shows
	maxItems = 100 // lines that an array gets
)

// described is what arrived, in one line, and a line for each item where it is an array. Nothing of it can do anything to
// a terminal.
func (l *Options) described(contentType string, body []byte) (what string, items []string) {
	if isArray(body) {
		count, items := l.items(body)
		return fmt.Sprintf("array of %d", count), items
	}
	what = l.shown(body)
	if contentType != "" && !isJSONType(contentType) {
		what = l.shown([]byte(contentType)) + " " + what
	}
	return what, nil
}

func isArray(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) && json.Valid(body)
}

// items counts the items of an array and shows them, the first 100 where bodies are not shown whole.
func (l *Options) items(array []byte) (count int, shown []string) {
	decoder := json.NewDecoder(bytes.NewReader(array))
	_, _ = decoder.Token() // the array is valid
	var item json.RawMessage
	for ; decoder.More(); count++ {
		_ = decoder.Decode(&item)
		if l.Full || count < maxItems {
			shown = append(shown, l.shown(item))
		}
	}
	if count > len(shown) {
		shown = append(shown, fmt.Sprintf("… and %d more", count-len(shown)))
	}
	return count, shown
}

func isJSONType(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
}

// shown is a text in one line that can't do anything to a terminal.
func (l *Options) shown(body []byte) string {
	var compact bytes.Buffer
	text := string(body)
	if err := json.Compact(&compact, body); err == nil {
		text = compact.String()
	}
	if !terminal.Printable(text) {
		text = strconv.QuoteToGraphic(text)
	}
	if !l.Full && len(text) > maxPrint {
		text = strings.ToValidUTF8(text[:maxPrint], "") + "…"
	}
	return text
}
