package config

import (
	"maps"
	"mime"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	maxTemplateBytes = 256 << 10
	maxQueryNames    = 100
)

// checkContent checks what requests are made of. Templates are compiled by who renders them.
func (f *findings) checkContent(path string, e Endpoint, inherits bool) {
	if !inherits || e.Format != "" {
		f.checkChoice(path+".format", string(e.Format),
			string(FormatFluxMQ), string(FormatCloudEvents), string(FormatCloudEventsBinary), string(FormatTemplate), string(FormatRaw))
	}
	if !inherits || e.Compression != "" {
		f.checkChoice(path+".compression", string(e.Compression), string(CompressionNone), string(CompressionGzip))
	}
	f.checkTemplate(path+".template", e.Template)
	f.checkRequest(path+".request", e.Request)
}

func (f *findings) checkTemplate(path string, t Template) {
	f.checkBytes(path+".body", string(t.Body), maxTemplateBytes)
	mediaType, _, err := mime.ParseMediaType(t.ContentType)
	if t.ContentType != "" && (err != nil || !strings.Contains(mediaType, "/") || !httpguts.ValidHeaderFieldValue(t.ContentType)) {
		f.report(path+".content_type", "is %s, which is no media type, as application/json (RFC 9110 §8.3.1)", quote(t.ContentType))
	}
}

func (f *findings) checkRequest(path string, r Request) {
	f.checkBytes(path+".method", r.Method, maxTextBytes)
	if r.Method != "" && !strings.Contains(r.Method, "{{") && !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		f.report(path+".method", "is %s, which is no method, as PUT (RFC 9110 §9.1)", quote(r.Method))
	}
	f.checkBytes(path+".path", r.Path, maxTextBytes)
	f.checkCount(path+".query", len(r.Query), maxQueryNames)
	for _, name := range slices.Sorted(maps.Keys(r.Query)) {
		if name == "" {
			f.report(path+".query", "has a parameter without a name")
		}
		f.checkBytes(path+".query", name, maxTextBytes)
		f.checkBytes(joinKey(path+".query", name), r.Query[name], maxTextBytes)
	}
}
