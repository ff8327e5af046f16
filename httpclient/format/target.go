package format

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format/template"
	"github.com/fluxmq/webhookd/messages"
)

const requestMethodKey = "request.method"

// maxTargetBytes bounds the path and the query of a request together, and its method.
const maxTargetBytes = 8 << 10

// target says for each event where its request goes. What is nil, or not there, is as in the endpoint.
type target struct {
	address *url.URL
	method  *template.Template
	path    *requestPath
	query   map[string]*template.Template
}

// withTarget makes the format give each request the method, path and query that endpoint.Request says. It fails with a
// *config.KeyError for each template that can't be used.
func withTarget(body Format, endpoint config.Endpoint, address *url.URL) (Format, error) {
	request := endpoint.Request
	if request.Method == "" && request.Path == "" && len(request.Query) == 0 {
		return body, nil
	}
	types, err := config.ParseEvents(endpoint.Events)
	if err != nil {
		return nil, err
	}
	target, err := newTarget(request, types, withoutUser(address))
	if err != nil {
		return nil, err
	}
	return func(events []*messages.Envelope) (Content, error) {
		event, err := template.Event(events[0]) // before the body may let the event be held as JSON only
		if err != nil {
			return Content{}, err
		}
		made, err := body(events)
		if err != nil {
			return Content{}, err
		}
		err = target.setOn(&made, event)
		return made, err
	}, nil
}

func newTarget(request config.Request, types []messages.Type, address *url.URL) (*target, error) {
	t := &target{address: address, query: map[string]*template.Template{}}
	var problems []error
	compile := func(key, text string, check func([]byte) error) *template.Template {
		compiled, err := template.Parse(key, text, maxTargetBytes, nil)
		if err == nil {
			err = compiled.Try(types, check)
		}
		problems = append(problems, err)
		return compiled
	}
	if request.Method != "" {
		t.method = compile(requestMethodKey, request.Method, checkMethod)
	}
	if request.Path != "" {
		path, err := newRequestPath(request.Path, types)
		t.path, problems = path, append(problems, err)
	}
	for _, name := range slices.Sorted(maps.Keys(request.Query)) {
		t.query[name] = compile("request.query."+name, request.Query[name], func([]byte) error { return nil })
	}
	return t, errors.Join(problems...)
}

// withoutUser is the address without its credentials, which are no part of a request's URL (RFC 9110 §4.2.4).
func withoutUser(address *url.URL) *url.URL {
	plain := *address
	plain.User = nil
	return &plain
}

// setOn sets the content's method and URL.
func (t *target) setOn(c *Content, event map[string]any) (err error) {
	if t.method != nil {
		if c.Method, err = t.methodOf(event); err != nil {
			return err
		}
	}
	address := *t.address
	if t.path != nil {
		if err := t.path.set(&address, event); err != nil {
			return err
		}
	}
	if err := t.addQuery(&address, event); err != nil {
		return err
	}
	if len(address.RequestURI()) > maxTargetBytes {
		return fmt.Errorf("request: path and query have more than %d bytes", maxTargetBytes)
	}
	c.URL = &address
	return nil
}

func (t *target) methodOf(event map[string]any) (string, error) {
	method, err := t.method.Render(event)
	if err != nil {
		return "", err
	}
	if err := checkMethod(method); err != nil {
		return "", fmt.Errorf("%s: %w", requestMethodKey, err)
	}
	return string(method), nil
}

// checkMethod refuses CONNECT, which is no request for a resource (RFC 9110 §9.3.6), and TRACE, which carries no content
// (§9.3.8).
func checkMethod(method []byte) error {
	switch {
	case !httpguts.ValidHeaderFieldName(string(method)): // a token, as methods are
		return fmt.Errorf("%.64q is no method (RFC 9110 §9.1)", method)
	case strings.EqualFold(string(method), "CONNECT"), strings.EqualFold(string(method), "TRACE"):
		return fmt.Errorf("%s is a method that carries no event", method)
	}
	return nil
}

// addQuery adds to the query that the endpoint's url has, which stays as it is.
func (t *target) addQuery(address *url.URL, event map[string]any) error {
	if len(t.query) == 0 {
		return nil
	}
	added := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(t.query)) {
		value, err := t.query[name].RenderText(event)
		if err != nil {
			return err
		}
		added.Set(name, value)
	}
	if address.RawQuery != "" {
		address.RawQuery += "&"
	}
	address.RawQuery += added.Encode()
	return nil
}
