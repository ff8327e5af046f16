package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestDumpShowsWhatIsInherited(t *testing.T) {
	loaded := load(t, "testdata/good/partial-override.yml")
	dump, err := loaded.Dump()
	require.NoError(t, err)
	require.Equal(t, `broker_id: webhookd
webhook:
  enabled: false
  queue_size: 10000
  queue_bytes: 64MiB
  drop_policy: oldest
  workers: 5
  include_payload: false
  max_payload_bytes: 256KiB
  shutdown_timeout: 30s
  defaults:
    timeout: 5s
    retry:
      max_attempts: 3
      initial_interval: 1s
      max_interval: 30s
      multiplier: 3
      max_retry_after: 5m0s
      give_up_after: 1h0m0s
    circuit_breaker:
      failure_threshold: 5
      rejection_threshold: 20
      reset_timeout: 1m0s
    batch:
      max_events: 1
      max_bytes: 1MiB
      max_wait: 100ms
    client_ids: []
    format: fluxmq
    request:
      query: {}
    compression: none
    headers: {}
    secrets: []
    egress:
      allow: []
      deny: []
  endpoints:
    - name: analytics
      type: http
      url: https://example.com/webhook
      events: []
      topic_filters: []
      timeout: 5s
      retry:
        max_attempts: 5
        initial_interval: 1s
        max_interval: 30s
        multiplier: 3
        max_retry_after: 5m0s
        give_up_after: 1h0m0s
      circuit_breaker:
        failure_threshold: 5
        rejection_threshold: 20
        reset_timeout: 1m0s
      batch:
        max_events: 1
        max_bytes: 1MiB
        max_wait: 100ms
      client_ids: []
      format: fluxmq
      request:
        query: {}
      compression: none
      headers: {}
      secrets: []
      egress:
        allow: []
        deny: []
      workers: 5
      queue_size: 10000
      queue_bytes: 64MiB
      drop_policy: oldest
sources: {}
store:
  dir: ""
  max_bytes: 16GiB
  commit_delay: 10ms
dead_letters:
  max_bytes: 1GiB
log:
  level: info
  format: ""
`, string(dump))
	require.Zero(t, loaded.Webhook.Endpoints[0].Workers, "a dump must not change what it shows")
}

func TestTextThatLooksLikeAReferenceOutlivesItsDump(t *testing.T) {
	t.Setenv("WEBHOOKD_TEST_NAME", "expanded")
	const text = `webhook: {endpoints: [{name: a, url: 'https://a.test', tls: {cert_file: '/$${WEBHOOKD_TEST_NAME}.pem', key_file: '/$${WEBHOOKD_TEST_NAME}.key'}}]}`
	loaded, _, err := config.Parse("a.yml", []byte(text))
	require.NoError(t, err)
	require.EqualValues(t, "/${WEBHOOKD_TEST_NAME}.pem", loaded.Webhook.Endpoints[0].TLS.CertFile)
	dump, err := loaded.Dump()
	require.NoError(t, err)
	again, _, err := config.Parse("dump.yml", dump)
	require.NoError(t, err)
	require.Equal(t, loaded.Webhook.Endpoints[0].TLS, again.Webhook.Endpoints[0].TLS)
}

func TestSecretsShowNowhere(t *testing.T) {
	loaded := load(t, "testdata/good/everything.yml")
	dump, err := loaded.Dump()
	require.NoError(t, err)
	encoded, err := json.Marshal(loaded)
	require.NoError(t, err)
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("text", "config", loaded, "endpoint", &loaded.Webhook.Endpoints[0])
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("json", "config", loaded, "token", loaded.Admin.Token)
	texts := []string{string(dump), string(encoded), logged.String()}
	defaults, endpoints := loaded.Webhook.Defaults, loaded.Webhook.Endpoints
	for _, value := range []any{loaded, &loaded, loaded.Webhook, endpoints, endpoints[1], loaded.Webhook.Resolve(),
		defaults, defaults.Request, &defaults.Request, defaults.Auth, *endpoints[0].Auth.OAuth2, *endpoints[2].Auth.Basic,
		*loaded.Sources.Ingest, *loaded.Sources.MQTTBroker, loaded.Sources.MQTTBroker.Users, *loaded.Admin} {
		for _, format := range []string{"%v", "%+v", "%#v"} {
			texts = append(texts, fmt.Sprintf(format, value))
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		texts = append(texts, fmt.Sprintf(format, loaded.Admin.Token))
	}
	for _, text := range texts {
		require.NotEmpty(t, text)
		require.NotContains(t, text, "s3cret")
		require.NotContains(t, text, "733363726574") // in hexadecimal
	}
	token, err := json.Marshal(loaded.Admin.Token)
	require.NoError(t, err)
	require.Equal(t, `"[secret]"`, string(token))
	require.Contains(t, fmt.Sprintf("%+v", loaded), "Workers:8")
	require.Contains(t, string(dump), `
      request:
        method: PUT
        path: '[secret]'
        query:
          key: '[secret]'
`)
	require.Equal(t, "s3cret", defaults.Request.Query["key"], "a dump must not change what it shows")
}

func TestURLIsShownUnlessItMayHoldASecret(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.com":                          "https://example.com",
		"https://example.com/":                         "https://example.com/",
		"http://127.0.0.1:8080/":                       "http://127.0.0.1:8080/",
		"http://127.0.0.1:8080/webhook":                "http://127.0.0.1:8080/webhook",
		"https://example.com/api/v1/mqtt-events/":      "https://example.com/api/v1/mqtt-events/",
		"http://[::1]:80/first":                        "http://[::1]:80/first",
		"https://example.com/hook?key=s3cret":          "https://example.com/hook?[secret]",
		"https://example.com/hook#s3cret":              "https://example.com/hook?[secret]",
		"https://example.com/hook?":                    "https://example.com/hook?[secret]",
		"https://example.com?a":                        "https://example.com/[secret]",
		"https://user:password@example.com":            "https://example.com/[secret]",
		"https://user:password@example.com/hook":       "https://example.com/[secret]",
		"https://example.com/services/T1/B2/s3cret":    "https://example.com/[secret]",
		"https://example.com/s3cret":                   "https://example.com/[secret]",
		"https://example.com/hook/qwertyuiopasd":       "https://example.com/[secret]",
		"https://example.com/v123":                     "https://example.com/[secret]",
		"https://example.com/correct-horse-bat-staple": "https://example.com/[secret]",
		"https://example.com/Hook":                     "https://example.com/[secret]",
		"https://example.com/hook%2fs":                 "https://example.com/[secret]",
		"https://example.com//hook":                    "https://example.com/[secret]",
		"http://[::1]:80/a1":                           "http://[::1]:80/[secret]",
		"no url":                                       "[secret]",
		"https://bad.example.com/%zz":                  "[secret]",
	} {
		require.Contains(t, fmt.Sprintf("%+v", config.Endpoint{URL: url}), " URL:"+want+" ", url)
	}
	for path, want := range map[string]string{
		"/devices/state": "/devices/state", "/hook/{{ .data.topic }}": "[secret]", "/k3y": "[secret]", "": "",
	} {
		require.Contains(t, fmt.Sprintf("%+v", config.Request{Path: path}), " Path:"+want+" ", path)
	}
}

func TestDollarSurvivesADump(t *testing.T) {
	loaded := parse(t, `broker_id: "$${HOME} $${"`)
	require.Equal(t, "${HOME} ${", loaded.BrokerID)
	dump, err := loaded.Dump()
	require.NoError(t, err)
	require.Equal(t, loaded.BrokerID, parse(t, string(dump)).BrokerID)
}
