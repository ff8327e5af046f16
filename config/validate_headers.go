package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	maxHeaderName   = 256        // bytes
	ownHeaderPrefix = "webhook-" // the event id, and what signs it
	rawHeaderPrefix = "mqtt-"    // what FormatRaw tells of a message beside its payload
)

// ownHeaders are set by the HTTP client, which would break if somebody else did: RFC 9110 §7.6.1, §8.4 and §8.6, RFC 9112 §6.1.
var ownHeaders = []string{
	"connection", "content-encoding", "content-length", "keep-alive", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade",
}

func (f *findings) checkHeaders(path string, headers map[string]Secret) {
	names := map[string]string{}
	for _, name := range headerNames(headers) {
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

func headerNames(headers map[string]Secret) []string { return slices.Sorted(maps.Keys(headers)) }

// isHost tells whether the value is what stands between "http://" and the path of a URL, without a user. A dump, which
// Parse reads, shows none.
func isHost(value string) bool {
	address, err := url.Parse("http://" + value)
	return value == redacted || err == nil && value != "" && address.Host == value
}
