package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestBadConfigurationIsAUsageError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.yml")
	require.NoError(t, os.WriteFile(file, []byte("webhook:\n  enabled: true\n  drop_polcy: oldest\n  workers: -1\n"), 0o600))
	for _, subcommand := range []string{"run", "check"} {
		code, _, stderr := webhookd.Command(subcommand, "--config", file)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, file+":3:3: webhook.drop_polcy:")
		require.Contains(t, stderr, `"drop_policy"`)
		require.Contains(t, stderr, file+":4:", "all errors at once")
	}
}

func TestUnusableValuesOfEndpointsAreUsageErrorsWithTheirPlaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "unusable.yml")
	require.NoError(t, os.WriteFile(file, []byte(`webhook:
  enabled: true
  defaults:
    secrets: [hunter2]
  endpoints:
    - {name: first, url: "https://a.test"}
    - {name: second, url: "https://b.test", secrets: [hunter2, hunter2]}
sources: {ingest: {listen: 127.0.0.1:0}}
`), 0o600))
	for _, subcommand := range []string{"run", "check"} {
		code, stdout, stderr := webhookd.Command(subcommand, "--config", file)
		require.Equal(t, 2, code)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		require.Len(t, lines, 3, stderr)
		require.True(t, strings.HasPrefix(lines[0], file+":4:15: webhook.defaults.secrets[0]: "), stderr)
		require.True(t, strings.HasPrefix(lines[1], file+":7:55: webhook.endpoints[1].secrets[0]: "), stderr)
		require.True(t, strings.HasPrefix(lines[2], file+":7:64: webhook.endpoints[1].secrets[1]: "), stderr)
		require.NotContains(t, stdout+stderr, "hunter2")
	}
}

func TestUnusableCommandLineIsAUsageError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"run"}, {"no-such-command"}, {"run", "--config", "/no/such/file"}, {"listen", "--every", "0"}} {
		code, _, stderr := webhookd.Command(args...)
		require.Equal(t, 2, code, args)
		require.NotEmpty(t, stderr)
	}
}

func TestHelpAndVersionAreClean(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"help"}, {"run", "--help"}, {"help", "run"}, {"version"}, {"--version"}} {
		code, stdout, stderr := webhookd.Command(args...)
		require.Zero(t, code, args)
		require.Contains(t, stdout, "webhookd")
		require.Empty(t, stderr)
	}
	_, help, _ := webhookd.Command("help", "run")
	require.Contains(t, help, "Usage: webhookd run --config=FILE")
	_, version, _ := webhookd.Command("version")
	_, flag, _ := webhookd.Command("--version")
	require.Equal(t, version, flag)
}

func TestConfigurationThatHearsNothingIsRefusedWithTheLinesToAdd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fluxmq.yml")
	require.NoError(t, os.WriteFile(file, []byte("cluster: {node_id: node-7}\nwebhook:\n  endpoints:\n    - {name: a, url: http://a.test/}\n"), 0o600))
	code, stdout, stderr := webhookd.Command("check", "--config", file)
	require.Zero(t, code)
	require.Contains(t, stdout, "broker_id: node-7")
	require.Contains(t, stderr, "warning")

	code, _, stderr = webhookd.Command("run", "--config", file)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "enabled: true")
	require.Contains(t, stderr, "listen: 127.0.0.1:1883")
}

func TestCheckPrintsNoSecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	config := webhookd.IngestConfig("", "- {name: a, url: 'https://user:hunter2@hooks.test/hunter2?key=hunter2', headers: {Authorization: hunter2}}\n")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	code, stdout, stderr := webhookd.Command("check", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "max_attempts: 3", "the effective configuration")
	require.NotContains(t, stdout+stderr, "hunter2")
}
