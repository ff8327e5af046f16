package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestDocumentedExampleSaysTheDefaults(t *testing.T) {
	parsed := parse(t, documentedExample(t))
	require.Empty(t, parsed.IdleReasons())
	require.Equal(t, "127.0.0.1:1883", parsed.Sources.MQTTBroker.Listen)
	require.Equal(t, "127.0.0.1:8080", parsed.Sources.Ingest.Listen)
	require.EqualValues(t, config.DefaultMaxBodyBytes, parsed.Sources.Ingest.MaxBodyBytes)
	require.Equal(t, "127.0.0.1:9090", parsed.Admin.Listen)

	webhook := parsed.Webhook
	webhook.Enabled, webhook.IncludePayload, webhook.Endpoints = false, false, nil
	require.Equal(t, config.Default().Webhook, webhook)
}

func TestEveryKeyIsDocumentedAndInTheExample(t *testing.T) {
	documentation, example := documentation(t), documentedExample(t)
	for key := range keysOf(reflect.TypeFor[config.Config]()) {
		if !regexp.MustCompile("[{ ]" + key + ":").MatchString("\n " + strings.ReplaceAll(example, "\n", "\n ")) {
			t.Errorf("the example has no %s", key)
		}
		if !regexp.MustCompile("[`.]" + key + "`").MatchString(documentation) {
			t.Errorf("no table has %s", key)
		}
	}
}

func keysOf(of reflect.Type) map[string]bool {
	keys := map[string]bool{}
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keysOf(of.Elem())
	case reflect.Struct:
		for i := range of.NumField() {
			key, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
			keys[key] = true
			for below := range keysOf(of.Field(i).Type) {
				keys[below] = true
			}
		}
	}
	return keys
}

func documentedExample(t *testing.T) string {
	t.Helper()
	_, after, found := strings.Cut(documentation(t), "```yaml\n")
	require.True(t, found)
	example, _, found := strings.Cut(after, "```")
	require.True(t, found)
	return example
}

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	return string(text)
}
