package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"

	"gopkg.in/yaml.v3"
)

// Dump writes the effective configuration as YAML: every endpoint with all that it inherits, every secret as
// "[secret]", of a URL the scheme and the host only. Parse reads it, but would deliver nothing to such URLs.
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
	for _, child := range node.Content {
		escapeScalars(child)
	}
}

// shownEndpoint is an endpoint that may be shown: its URL tells the scheme and the host only, since the rest may be
// what a receiver knows its senders by.
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

func redactURL(text string) string {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" {
		return redacted
	}
	shown := (&url.URL{Scheme: address.Scheme, Host: address.Host}).String()
	if text == shown || text == shown+"/" {
		return text
	}
	return shown + "/" + redacted
}
