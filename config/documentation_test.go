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
	require.Equal(t, config.Default().DeadLetters.MaxBytes, parsed.DeadLetters.MaxBytes)

	webhook := parsed.Webhook
	webhook.Enabled, webhook.IncludePayload, webhook.Endpoints = false, false, nil
	require.Equal(t, config.Default().Webhook, webhook)
}

// What names files, which nobody has, is a comment of the example.
func TestEveryKeyIsInTheExampleAndValidThere(t *testing.T) {
	uncommented := regexp.MustCompile(`(?m)^( +)# ([a-z_0-9]+: )`).ReplaceAllString(documentedExample(t), "$1$2")
	said := map[string]bool{}
	markSaid(reflect.ValueOf(parse(t, uncommented).WithoutSource()), said)
	require.True(t, said["TLS.CAFile"])
	for _, field := range fieldsOf(reflect.TypeFor[config.Config]()) {
		ofDefaults, isDefault := strings.CutPrefix(field, "Defaults.")
		if !said[field] && !(isDefault && said["Endpoint."+ofDefaults]) && field != "Auth.BearerFile" {
			t.Errorf("the example has no %s", field)
		}
	}
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

func TestTableOfDefaultsHasEveryKeyOfThemByItsPath(t *testing.T) {
	_, table, found := strings.Cut(documentation(t), "### `webhook.defaults`\n")
	require.True(t, found)
	table, _, found = strings.Cut(table, "### ")
	require.True(t, found)
	for _, path := range pathsOf(reflect.TypeFor[config.Defaults](), "") {
		require.Regexp(t, "(?m)^\\|.*`"+regexp.QuoteMeta(path)+"`.*\\|", table)
	}
}

// pathsOf are the paths of the keys within a struct that are no sections.
func pathsOf(structure reflect.Type, prefix string) []string {
	var paths []string
	for i := range structure.NumField() {
		field := structure.Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		of := field.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct {
			paths = append(paths, pathsOf(of, prefix+key+".")...)
		} else {
			paths = append(paths, prefix+key)
		}
	}
	return paths
}

func keysOf(of reflect.Type) map[string]bool {
	keys := map[string]bool{}
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keysOf(of.Elem())
	case reflect.Struct:
		for i := range of.NumField() {
			if !of.Field(i).IsExported() {
				continue
			}
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
