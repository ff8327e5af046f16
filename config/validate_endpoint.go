package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

const maxURLBytes = 8 << 10

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
	for i, key := range e.Without {
		if !slices.Contains(defaultsKeys, key) {
			f.report(joinIndex(path+".without", i), "is %s, which is no key of defaults%s", quote(key), suggestion(key, defaultsKeys))
		}
	}
	f.checkFilters(path+".topic_filters", e.TopicFilters)
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
