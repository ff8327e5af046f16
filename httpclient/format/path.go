package format

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fluxmq/webhookd/httpclient/format/template"
	"github.com/fluxmq/webhookd/messages"
)

const requestPathKey = "request.path"

// requestPath is the template of a path, in which the value of each action is escaped: none can add a segment.
type requestPath struct {
	template *template.Template
	asFolder bool // whether the template itself ends in a slash
}

func newRequestPath(text string, types []messages.Type) (*requestPath, error) {
	escape := func(value any) (string, error) { return url.PathEscape(template.Text(value)), nil }
	compiled, err := template.Parse(requestPathKey, text, maxTargetBytes, escape)
	if err != nil {
		return nil, err
	}
	path := &requestPath{template: compiled, asFolder: strings.HasSuffix(text, "/")}
	check := func(rendered []byte) error {
		_, err := path.parse(string(rendered))
		return err
	}
	return path, compiled.Try(types, check)
}

// set gives the address the path that the template renders to. Errors show nothing of it.
func (p *requestPath) set(address *url.URL, event map[string]any) error {
	rendered, err := p.template.RenderText(event)
	if err != nil {
		return err
	}
	plain, err := p.parse(rendered)
	if err != nil {
		return fmt.Errorf("%s: %w", requestPathKey, err)
	}
	address.Path, address.RawPath = plain, rendered
	return nil
}

// parse checks an escaped path, and undoes its escapes.
func (p *requestPath) parse(escaped string) (string, error) {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return "", errors.New(`the path doesn't begin with "/"`)
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil || (&url.URL{Path: plain, RawPath: escaped}).EscapedPath() != escaped {
		return "", errors.New("the path has a character that must be percent-encoded, or a broken %XX (RFC 3986 §3.3)")
	}
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		if segment == "" && !(p.asFolder && i == len(segments)-1) {
			return "", fmt.Errorf("segment %d of the path is empty", i+1)
		}
		if isDotted(segment) {
			return "", fmt.Errorf(`segment %d of the path is "." or "..", or has them between slashes: it would lead elsewhere`, i+1)
		}
	}
	return plain, nil
}

// isDotted tells whether a receiver could take the segment for one that leads to another folder (RFC 3986 §5.2.4), be it
// that it undoes the escapes of slashes first.
func isDotted(segment string) bool {
	plain, _ := url.PathUnescape(segment)
	for part := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}
