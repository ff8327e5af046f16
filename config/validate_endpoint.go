package config

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/messages"
)

const (
	maxURLBytes     = 8 << 10
	maxHeaderName   = 256        // bytes
	ownHeaderPrefix = "webhook-" // the event id, and what signs it
)

// ownHeaders are set by the HTTP client, which would break if somebody else did: RFC 9110 §7.6.1 and §8.6, RFC 9112 §6.1.
var ownHeaders = []string{
	"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// checkEndpoint checks what an endpoint inherits from nobody.
func (f *findings) checkEndpoint(path string, e Endpoint) {
	f.checkName(path+".name", e.Name)
	if e.Type != "" {
		f.checkChoice(path+".type", e.Type, TypeHTTP)
	}
	f.checkURL(path+".url", e.URL)
	for i, pattern := range e.Events {
		if _, err := parseEventPattern(pattern); err != nil {
			f.report(joinIndex(path+".events", i), "%v", err)
		}
	}
	f.checkFilters(path+".topic_filters", e.TopicFilters)
	f.checkHeaders(path+".headers", e.Headers)
}

func (f *findings) checkFilters(path string, filters []string) {
	for i, filter := range filters {
		if _, err := messages.ParseTopicFilter(filter); err != nil {
			f.report(joinIndex(path, i), "%v", err)
		}
	}
}

// checkURL shows no part of a URL, which as a whole may be a secret; net/url's errors would.
func (f *findings) checkURL(path, text string) {
	address, err := url.Parse(text)
	switch {
	case text == "":
		f.report(path, "is required")
	case len(text) > maxURLBytes:
		f.report(path, "has %d bytes, and at most %d are allowed", len(text), maxURLBytes)
	case err != nil:
		f.report(path, "is no valid URL: write https://HOST/PATH")
	case address.Scheme != "http" && address.Scheme != "https":
		f.report(path, "must begin with http:// or https://")
	case address.Hostname() == "":
		f.report(path, "has no host: write https://HOST/PATH")
	case !validPort(address):
		f.report(path, "has a port that is not between 1 and 65535")
	case strings.Contains(text, "#"):
		f.report(path, "has a fragment (#…), which is never sent")
	}
}

func validPort(address *url.URL) bool {
	if !strings.HasSuffix(address.Host, ":"+address.Port()) {
		return true
	}
	port, err := strconv.ParseUint(address.Port(), 10, 16)
	return err == nil && port > 0
}

func (f *findings) checkHeaders(path string, headers map[string]Secret) {
	names := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		headerPath, lower, value := joinKey(path, name), strings.ToLower(name), string(headers[name])
		twin, twice := names[lower]
		names[lower] = name
		switch {
		case len(name) > maxHeaderName || !httpguts.ValidHeaderFieldName(name):
			f.report(headerPath, "is no name of a header (RFC 9110 §5.1)")
		case twice:
			f.report(headerPath, "is the same header as %s", twin)
		case slices.Contains(ownHeaders, lower) || strings.HasPrefix(lower, ownHeaderPrefix):
			f.report(headerPath, "is a header that webhookd itself sets")
		case len(value) > MaxSecretFileBytes:
			f.report(headerPath, "has %d bytes, and at most %d are allowed", len(value), MaxSecretFileBytes)
		case !httpguts.ValidHeaderFieldValue(value):
			f.report(headerPath, "has a character that no header may have (RFC 9110 §5.5)")
		case lower == "host" && !isHost(value):
			f.report(headerPath, "is no host")
		}
	}
}

// isHost tells whether the value is what stands between "http://" and the path of a URL, without a user.
func isHost(value string) bool {
	address, err := url.Parse("http://" + value)
	return err == nil && value != "" && address.Host == value
}
