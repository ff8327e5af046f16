package config

import (
	"maps"
	"net/textproto"
	"reflect"
	"slices"
)

// Resolve returns the endpoints with what they inherit in every field that they leave zero.
func (w Webhook) Resolve() []Endpoint {
	resolved := make([]Endpoint, len(w.Endpoints))
	for i, endpoint := range w.Endpoints {
		resolved[i] = w.complete(endpoint)
	}
	return resolved
}

func (w Webhook) complete(endpoint Endpoint) Endpoint {
	inherit(&endpoint.Type, TypeHTTP)
	inherit(&endpoint.Workers, w.Workers)
	inherit(&endpoint.QueueSize, w.QueueSize)
	inherit(&endpoint.QueueBytes, w.QueueBytes)
	inherit(&endpoint.DropPolicy, w.DropPolicy)
	w.Defaults = w.Defaults.without(endpoint.Without)
	endpoint.Headers = inheritHeaders(endpoint.Headers, w.Defaults.Headers)
	given, defaults := reflect.ValueOf(&endpoint).Elem(), reflect.ValueOf(w.Defaults)
	for i := range defaults.NumField() {
		inheritField(given.FieldByName(defaults.Type().Field(i).Name), defaults.Field(i))
	}
	return endpoint
}

// without is what the defaults are where these of their keys say nothing.
func (d Defaults) without(keys []string) Defaults {
	standard := reflect.ValueOf(Default().Webhook.Defaults)
	said := reflect.ValueOf(&d).Elem()
	for i, key := range defaultsKeys {
		if slices.Contains(keys, key) {
			said.Field(i).Set(standard.Field(i))
		}
	}
	return d
}

var defaultsKeys = yamlKeys(reflect.TypeFor[Defaults]())

func inherit[T comparable](field *T, inherited T) {
	var zero T
	if *field == zero {
		*field = inherited
	}
}

// inheritField goes into sections, so that they inherit key by key. A list, a mapping, and a section behind a pointer, of
// which one key says what another means, are inherited whole.
func inheritField(field, inherited reflect.Value) {
	if field.Kind() == reflect.Struct {
		for i := range field.NumField() {
			inheritField(field.Field(i), inherited.Field(i))
		}
	} else if field.IsZero() {
		field.Set(inherited)
	}
}

// inheritHeaders adds the headers that an endpoint lacks, whose names know no case (RFC 9110 §5.1).
func inheritHeaders(given, inherited map[string]Secret) map[string]Secret {
	if len(given) == 0 || len(inherited) == 0 {
		return given
	}
	all := maps.Clone(given)
	own := map[string]bool{}
	for name := range given {
		own[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	for name, value := range inherited {
		if !own[textproto.CanonicalMIMEHeaderKey(name)] {
			all[name] = value
		}
	}
	return all
}
