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

func TestCheckTellsAtOnceWhatOnlyAConstructorFinds(t *testing.T) {
	code, stdout, stderr := check(t, `webhook:
  workers: 0
  defaults:
    when: data.no_such_field == 1
  endpoints:
    - name: a
      url: ftp://a.test
      secrets: [hunter2]
    - name: b
      url: http://b.test
      format: template
      template: {body: '{{ hunter2 }}'}
      retrys: {}
    - name: c
      url: https://c.test
      auth: {bearer_file: /no/such/file}
    - name: d
      url: https://d.test
      tls: {ca_file: /dev/null}
`)
	require.Equal(t, exitUsage, code)
	require.Empty(t, stdout)
	require.NotContains(t, stderr, "hunter2")
	var places []string
	for line := range strings.Lines(stderr) {
		places = append(places, strings.Join(strings.SplitN(line, ": ", 3)[:2], " "))
	}
	require.Equal(t, []string{
		"FILE:2:3 webhook.workers",
		"FILE:4:5 webhook.defaults.when",
		"FILE:7:7 webhook.endpoints[0].url",
		"FILE:8:17 webhook.endpoints[0].secrets[0]",
		"FILE:12:18 webhook.endpoints[1].template.body",
		"FILE:13:7 webhook.endpoints[1].retrys",
		"FILE:16:14 webhook.endpoints[2].auth.bearer_file",
		"FILE:19:13 webhook.endpoints[3].tls.ca_file",
	}, places, stderr)
}

func TestWhatFollowsFromAProblemIsNotToldBesideIt(t *testing.T) {
	_, _, stderr := check(t, "webhook: {endpoints: [{name: a, url: 'http://a.test', events: [no.such.event], topic_filters: ['a#'], auth: {bearer_fil: x}}]}")
	require.Equal(t, 3, strings.Count(stderr, "\n"), stderr)
}

func TestCheckSaysWhatToAddWhereNothingWouldBeDelivered(t *testing.T) {
	code, _, stderr := check(t, "webhook: {enabled: true, endpoints: [{name: a, url: 'http://a.test'}]}")
	require.Zero(t, code)
	require.Contains(t, stderr, "warning: run would deliver nothing: no source of events is configured: add one of these, or both\n\n    sources:\n      mqtt_broker:\n")
}

func TestNotesAreNoPartOfTheYAMLThatCheckPrints(t *testing.T) {
	code, stdout, stderr := check(t, "cluster: {node_id: node-7}\nstorage: {}\n")
	require.Zero(t, code)
	require.True(t, strings.HasPrefix(stderr, "note: other sections of this file are left alone: cluster, storage\n"), stderr)
	require.True(t, strings.HasPrefix(stdout, "broker_id: node-7\n"), stdout)
	require.NotContains(t, stdout, "note")
	_, again, stderr := check(t, stdout)
	require.Equal(t, stdout, again, stderr)
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
