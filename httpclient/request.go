package httpclient

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format"
	"github.com/fluxmq/webhookd/httpclient/network"
)

const eventIDHeader = "Webhook-Id"

// resendHeaders make net/http send a request a second time by itself when its connection breaks. They are kept in lower
// case, which net/http doesn't recognize and a receiver does (RFC 9110 §5.1).
var resendHeaders = map[string]string{
	"Idempotency-Key":   "idempotency-key",
	"X-Idempotency-Key": "x-idempotency-key",
}

// newTemplate makes the part of a request that is the same for all events of the endpoint.
func newTemplate(endpoint config.Endpoint, address *url.URL) *http.Request {
	template := &http.Request{
		Method: http.MethodPost,
		URL:    address,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {network.UserAgent()}},
	}
	if user := address.User; user != nil {
		password, _ := user.Password()
		template.SetBasicAuth(user.Username(), password)
		withoutUser := *address
		withoutUser.User = nil
		template.URL = &withoutUser
	}
	for name, value := range endpoint.Headers {
		setHeader(template, http.CanonicalHeaderKey(name), string(value))
	}
	setAuth(template, endpoint.Auth)
	return template
}

func parseAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, errors.New("url: is no absolute http or https address") // err would show parts of it
	}
	return address, nil
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

// newRequest makes the request of one attempt, signed now. It shares the template's header values, which nobody changes.
func (c *Client) newRequest(ctx context.Context, id string, content format.Content) *http.Request {
	request := c.template.WithContext(ctx)
	request.Method = cmp.Or(content.Method, c.template.Method)
	request.URL = cmp.Or(content.URL, c.template.URL)
	request.Header = maps.Clone(c.template.Header)
	for name, values := range content.Header {
		if _, ok := request.Header[name]; !ok {
			request.Header[name] = values
		}
	}
	request.Header[eventIDHeader] = []string{id}
	c.signer.sign(request.Header, id, time.Now(), content.Body)
	body := c.compressor.compress(request.Header, content.Body)
	setBody(request, body)
	return request
}
