package config

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Validate finds everything that is wrong with the configuration, which it does not change; it reads no file and no
// environment variable. Its error is Errors. Begin with Default: only in an endpoint does a zero field mean a default.
func (c Config) Validate() error {
	var f findings
	f.checkName("broker_id", c.BrokerID)
	f.checkWebhook("webhook", c.Webhook)
	f.checkSources(c.Sources)
	if c.Admin != nil {
		f.checkAddress("admin.listen", c.Admin.Listen)
		f.checkHosts("admin.allowed_hosts", c.Admin.AllowedHosts)
	}
	f.checkStore("store", c.Store, c.Webhook)
	f.checkDeadLetters("dead_letters", c)
	f.checkChoice("log.level", c.Log.Level, "debug", "info", "warn", "error")
	if c.Log.Format != "" {
		f.checkChoice("log.format", c.Log.Format, "text", "json")
	}
	if f.problems == nil {
		return nil
	}
	return f.problems
}

func (f *findings) checkWebhook(path string, w Webhook) {
	f.checkSettings(path, w)
	names := map[string]string{}
	resolved := w.Resolve()
	for i, endpoint := range w.Endpoints {
		endpointPath := joinIndex(path+".endpoints", i)
		f.checkEndpoint(endpointPath, endpoint)
		f.checkOverrides(endpointPath, endpoint, resolved[i], w)
		f.checkUnique(endpointPath+".name", endpoint.Name, names)
	}
}

// checkName checks what names something in logs, metrics and events.
func (f *findings) checkName(path, name string) {
	switch {
	case name == "":
		f.report(path, "is required")
	case len(name) > maxNameBytes:
		f.report(path, "has %d bytes, and at most %d are allowed", len(name), maxNameBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		f.report(path, "has a character that is not printable")
	}
}

// checkUnique remembers the path of each name that it is asked about.
func (f *findings) checkUnique(path, name string, paths map[string]string) {
	first, taken := paths[name]
	switch {
	case name == "":
	case taken:
		f.report(path, "is %s, as %s is already", quote(name), first)
	default:
		paths[name] = path
	}
}

func (f *findings) checkChoice(path, value string, choices ...string) {
	for _, choice := range choices {
		if value == choice {
			return
		}
	}
	f.report(path, "is %s, not %s%s", quote(value), strings.Join(choices, " or "), suggestion(value, choices))
}

// checkRange leaves a value of zero alone where it inherits.
func checkRange[T cmp.Ordered](f *findings, path string, value, low, high T, inherits bool) {
	var zero T
	switch {
	case inherits && value == zero:
	case value > high:
		f.report(path, "is %s, and at most %s is allowed", plain(value), plain(high))
	case !(value >= low): // which NaN is not either
		f.report(path, "is %s, and at least %s is needed", plain(value), plain(low))
	}
}

// plain writes a number without an exponent.
func plain(value any) string {
	if number, ok := value.(float64); ok {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
