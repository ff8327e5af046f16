package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocumentedExamplePassesTheCheck(t *testing.T) {
	documentation, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(documentation), "```yaml\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, "```")
	require.True(t, found)

	code, stdout, stderr := check(t, example)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "url: https://devices.example.com\n")
}

func TestCheckNamesTheFileOnceWhateverIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"webhook: {workers: 0}": "FILE:1:11: webhook.workers: is 0, which is too little: leave the key out for its default\n",
		"webhook: {defaults: {when: data.no_such_field == 1}, endpoints: [{name: a, url: 'http://a.test'}]}": "FILE:1:22: webhook.defaults.when: ",
	} {
		code, stdout, stderr := check(t, text)
		require.Equal(t, exitUsage, code)
		require.Empty(t, stdout)
		require.True(t, strings.HasPrefix(stderr, want), stderr)
		require.Equal(t, 1, strings.Count(stderr, "FILE"), stderr)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}

func TestCheckSaysWhatToAddWhereNothingWouldBeDelivered(t *testing.T) {
	code, _, stderr := check(t, "webhook: {enabled: true, endpoints: [{name: a, url: 'http://a.test'}]}")
	require.Zero(t, code)
	require.Contains(t, stderr, "warning: run would deliver nothing: no source of events is configured: add one of these, or both\n\n    sources:\n      mqtt_broker:\n")
}

// check runs the command on the text of a configuration, whose file is FILE in what it returns.
func check(t *testing.T, text string) (code int, stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	var out, errors bytes.Buffer
	code = execute([]string{"check", "--config", file}, console{out: &out, err: &errors})
	return code, out.String(), strings.ReplaceAll(errors.String(), file, "FILE")
}
