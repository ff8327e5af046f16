package httpclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/fluxmq/webhookd/config"
)

const (
	modulePath    = "github.com/fluxmq/webhookd"
	eventIDHeader = "Webhook-Id"
)

// resendHeaders make net/http send a request a second time by itself when its connection breaks. They are kept in lower
// case, which net/http doesn't recognize and a receiver does (RFC 9110 §5.1).
var resendHeaders = map[string]string{
	"Idempotency-Key":   "idempotency-key",
	"X-Idempotency-Key": "x-idempotency-key",
}

// newTemplate makes the part of a request that is the same for all events of the endpoint.
func newTemplate(endpoint config.Endpoint) (*http.Request, error) {
	address, err := url.Parse(endpoint.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, errors.New("url: is no absolute http or https address") // err would show parts of it
	}
	template := &http.Request{
		Method: http.MethodPost,
		URL:    address,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {userAgent()}, "Content-Type": {"application/json"}},
	}
	if address.User != nil {
		password, _ := address.User.Password()
		template.SetBasicAuth(address.User.Username(), password)
		address.User = nil
	}
	for name, value := range endpoint.Headers {
		setHeader(template, http.CanonicalHeaderKey(name), string(value))
	}
	return template, nil
}

func setHeader(template *http.Request, name, value string) {
	if name == "Host" {
		template.Host = value
		return
	}
	if lower, ok := resendHeaders[name]; ok {
		name = lower
	}
	template.Header[name] = []string{value}
}

// newRequest makes the request of one attempt. It shares the template's header values, which nobody changes.
func newRequest(ctx context.Context, template *http.Request, eventID string, body []byte) *http.Request {
	request := template.WithContext(ctx)
	request.Header = maps.Clone(template.Header)
	request.Header[eventIDHeader] = []string{eventID}
	request.ContentLength = int64(len(body))
	request.Body = io.NopCloser(bytes.NewReader(body))
	// net/http asks for it where an idle connection turns out to be closed before a byte was written.
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return request
}

// userAgent is "webhookd/1.2.3", or "webhookd" where the build does not know its version.
var userAgent = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "webhookd"
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == modulePath && strings.HasPrefix(module.Version, "v") {
			return "webhookd/" + module.Version[1:]
		}
	}
	return "webhookd"
})
