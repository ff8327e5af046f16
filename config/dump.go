package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"

	"gopkg.in/yaml.v3"
)

// Dump writes the effective configuration as YAML: every endpoint with all that it inherits, every secret as
// "[secret]", of an endpoint's URL the scheme, the host, and a path of short words, of a Request such a path, the method
// and the names of the query. Parse reads it, but would deliver nothing to URLs of which it shows less than all.
func (c Config) Dump() ([]byte, error) {
	c.Webhook.Endpoints = c.Webhook.Resolve()
	var document yaml.Node
	if err := document.Encode(c); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	escapeScalars(&document)
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text.Bytes(), nil
}

func escapeScalars(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		node.Value = escapeReferences(node.Value)
	}
	for i, child := range node.Content {
		if isKey := node.Kind == yaml.MappingNode && i%2 == 0; !isKey {
			escapeScalars(child)
		}
	}
}

// shownEndpoint is an endpoint that may be shown: of its URL what a receiver does not know its senders by.
type shownEndpoint Endpoint

func (e Endpoint) shown() shownEndpoint {
	e.URL = redactURL(e.URL)
	return shownEndpoint(e)
}

// String is the endpoint with the names of its fields, without its secrets.
func (e Endpoint) String() string { return fmt.Sprintf("%+v", e.shown()) }

// GoString is the endpoint as %#v shows a struct, without its secrets.
func (e Endpoint) GoString() string { return fmt.Sprintf("%#v", e.shown()) }

// MarshalYAML writes the endpoint without its secrets.
func (e Endpoint) MarshalYAML() (any, error) { return e.shown(), nil }

// MarshalJSON writes the endpoint without its secrets.
func (e Endpoint) MarshalJSON() ([]byte, error) { return json.Marshal(e.shown()) }

// shownRequest is a Request that may be shown: its path as a URL's, and nothing of its query's values.
type shownRequest Request

func (r Request) shown() shownRequest {
	if r.Path != "" && !harmlessPath.MatchString(r.Path) {
		r.Path = redacted
	}
	r.Query = maps.Clone(r.Query)
	for name := range r.Query {
		r.Query[name] = redacted
	}
	return shownRequest(r)
}

// String is the request with the names of its fields, without its secrets.
func (r Request) String() string { return fmt.Sprintf("%+v", r.shown()) }

// GoString is the request as %#v shows a struct, without its secrets.
func (r Request) GoString() string { return fmt.Sprintf("%#v", r.shown()) }

// MarshalYAML writes the request without its secrets.
func (r Request) MarshalYAML() (any, error) { return r.shown(), nil }

// MarshalJSON writes the request without its secrets.
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.shown()) }

// shownOAuth2 is an OAuth2 that may be shown: of its token URL no more than of an endpoint's.
type shownOAuth2 OAuth2

func (o OAuth2) shown() shownOAuth2 {
	o.TokenURL = redactURL(o.TokenURL)
	return shownOAuth2(o)
}

// String is the section with the names of its fields, without its secrets.
func (o OAuth2) String() string { return fmt.Sprintf("%+v", o.shown()) }

// GoString is the section as %#v shows a struct, without its secrets.
func (o OAuth2) GoString() string { return fmt.Sprintf("%#v", o.shown()) }

// MarshalYAML writes the section without its secrets.
func (o OAuth2) MarshalYAML() (any, error) { return o.shown(), nil }

// MarshalJSON writes the section without its secrets.
func (o OAuth2) MarshalJSON() ([]byte, error) { return json.Marshal(o.shown()) }

// harmlessPath is a path that is no secret: each segment is up to three short words, or a version. With anything else in
// it, it may be what a receiver knows its senders by.
var harmlessPath = regexp.MustCompile(`^(/([a-z]{1,12}([-_][a-z]{1,12}){0,2}|v[0-9]{1,2}))*/?$`)

func redactURL(text string) string {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" {
		return redacted
	}
	shown := (&url.URL{Scheme: address.Scheme, Host: address.Host}).String()
	switch {
	case address.User != nil || !harmlessPath.MatchString(address.EscapedPath()):
		return shown + "/" + redacted
	case text == shown+address.Path:
		return text
	case address.Path == "":
		return shown + "/" + redacted
	}
	return shown + address.Path + "?" + redacted
}
