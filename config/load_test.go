package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

var update = flag.Bool("update", false, "write the .want files anew")

func TestBadConfigurationSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Setenv("WEBHOOKD_TEST_WORDS", "s3cret words")
	files, err := filepath.Glob("testdata/bad/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			loaded, notes, err := config.Load(file)
			require.Error(t, err)
			require.Zero(t, loaded)
			require.Empty(t, notes)
			require.NotContains(t, err.Error(), "s3cret")
			wanted := strings.TrimSuffix(file, ".yml") + ".want"
			if *update {
				require.NoError(t, os.WriteFile(wanted, []byte(err.Error()+"\n"), 0o644))
			}
			want, readErr := os.ReadFile(wanted)
			require.NoError(t, readErr)
			require.Equal(t, string(want), err.Error()+"\n")
		})
	}
}

func TestGoodConfigurationDumpsAsOneThatDumpsAlike(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			loaded := load(t, file)
			require.NoError(t, loaded.Validate())
			dump, err := loaded.Dump()
			require.NoError(t, err)
			again, _, err := config.Parse("dump.yml", dump)
			require.NoError(t, err, "%s", dump)
			dumpedAgain, err := again.Dump()
			require.NoError(t, err)
			require.Equal(t, string(dump), string(dumpedAgain))
		})
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	require.Equal(t, config.Default(), load(t, "testdata/good/empty.yml"))
	require.Equal(t, config.Default(), load(t, "testdata/good/only-comments.yml"))
}

func TestFluxMQsExampleHasItsDocumentedDefaults(t *testing.T) {
	want := config.Default().Webhook
	want.Enabled = true
	want.Endpoints = []config.Endpoint{{
		Name:         "analytics",
		Type:         config.TypeHTTP,
		URL:          "https://example.com/webhook",
		Events:       []string{"message.published"},
		TopicFilters: []string{"sensors/#"},
		Headers:      map[string]config.Secret{"Authorization": "Bearer token"},
	}}
	require.Equal(t, want, load(t, "testdata/good/fluxmq-webhook-section.yml").Webhook)
}

func TestCompleteFluxMQFileIsUnderstoodWithOneNote(t *testing.T) {
	loaded, notes, err := config.Load("testdata/good/fluxmq-complete.yml")
	require.NoError(t, err)
	require.Equal(t, []string{"other sections of this file are left alone: " +
		"auth, broker, cluster, hooks, queue_manager, queues, ratelimit, server, session, storage"}, notes)
	require.Equal(t, "broker-1", loaded.BrokerID)
	require.Equal(t, config.Default().Webhook, loaded.Webhook)
	require.Equal(t, config.Log{Level: "info", Format: "text"}, loaded.Log)
}

func TestBrokerIDGoesBeforeNodeID(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"cluster: {node_id: n1}\nbroker_id: b1", "b1"},
		{"cluster: {node_id: n1}\nbroker_id:", "n1"},
		{"cluster: {node_id: 7}", "7"},
		{"cluster: {node_id: '${NOT_EXPANDED}'}", "${NOT_EXPANDED}"},
		{"cluster: {node_id: }", config.DefaultBrokerID},
		{"cluster: {node_id: [n1]}", config.DefaultBrokerID},
		{"cluster: [node_id]", config.DefaultBrokerID},
		{"cluster: {}", config.DefaultBrokerID},
		{"broker_id: ''", config.DefaultBrokerID},
	} {
		require.Equal(t, test.want, parse(t, test.text).BrokerID, test.text)
	}
}

func TestEverythingSaidIsRead(t *testing.T) {
	got := load(t, "testdata/good/everything.yml")
	require.Equal(t, config.Config{
		BrokerID: "broker-7",
		Webhook: config.Webhook{
			Enabled: true, QueueSize: 20000, QueueBytes: 128 << 20, DropPolicy: config.DropNewest, Workers: 8,
			IncludePayload: true, MaxPayloadBytes: 1 << 20, ShutdownTimeout: time.Minute,
			Defaults: config.Defaults{
				Timeout: 10 * time.Second,
				Retry: config.Retry{MaxAttempts: 5, InitialInterval: 500 * time.Millisecond, MaxInterval: time.Minute,
					Multiplier: 1.5, MaxRetryAfter: 10 * time.Minute},
				CircuitBreaker: config.CircuitBreaker{FailureThreshold: 10, ResetTimeout: 90 * time.Second},
			},
			Endpoints: []config.Endpoint{{
				Name: "analytics", URL: "https://hooks.example.com/services/T0/B0/s3cret",
				Events: []string{"message.*", "client.connected"}, TopicFilters: []string{"sensors/#", "+/alarm"},
				Headers: map[string]config.Secret{"Authorization": "s3cret from a file", "X-Price": "$5 and ${literal}"},
				Timeout: time.Second, Retry: config.Retry{MaxAttempts: 1},
				CircuitBreaker: config.CircuitBreaker{ResetTimeout: 5 * time.Second},
				Workers:        1, QueueSize: 100, QueueBytes: 2 << 20, DropPolicy: config.DropOldest,
			}, {Name: "audit", URL: "http://user:s3cret@127.0.0.1:8081?key=s3cret"}},
		},
		Sources: config.Sources{
			MQTTBroker: &config.MQTTBroker{
				Listen: "0.0.0.0:1883", WebSocketListen: "localhost:0",
				Users: []config.User{{"alice", "s3cret"}, {"bob", "s3cret from a file"}},
				ACL: []config.ACLRule{
					{Username: "alice", Publish: []string{"sensors/#"}, Subscribe: []string{"#"}},
					{Subscribe: []string{"public/#"}},
				},
			},
			Ingest: &config.Ingest{Listen: "[::]:8080", Token: "s3cret from a file", MaxBodyBytes: 1 << 20},
		},
		Admin:       &config.Admin{Listen: "127.0.0.1:0", Token: "s3cret"},
		DeadLetters: config.DeadLetters{Dir: config.Path(filepath.FromSlash("testdata/good/dead")), MaxBytes: 1 << 30},
		Log:         config.Log{Level: "debug", Format: "json"},
	}, got)
}

func TestSectionWithoutKeysIsOnWithItsDefaults(t *testing.T) {
	got := load(t, "testdata/good/sections-without-keys.yml")
	require.Equal(t, &config.MQTTBroker{Listen: "127.0.0.1:1883"}, got.Sources.MQTTBroker)
	require.Equal(t, &config.Ingest{Listen: "127.0.0.1:8080", MaxBodyBytes: 8 << 20}, got.Sources.Ingest)
	require.Equal(t, &config.Admin{Listen: "127.0.0.1:9090"}, got.Admin)
}

func TestPartialOverrideInheritsTheOtherKeys(t *testing.T) {
	endpoint := load(t, "testdata/good/partial-override.yml").Webhook.Resolve()[0]
	want := config.Default().Webhook.Defaults.Retry
	want.MaxAttempts, want.Multiplier = 5, 3
	require.Equal(t, want, endpoint.Retry)
	require.Equal(t, config.Default().Webhook.Defaults.CircuitBreaker, endpoint.CircuitBreaker)
	require.Equal(t, config.Default().Webhook.QueueSize, endpoint.QueueSize)
}

func TestMergedKeysYieldToOwnOnes(t *testing.T) {
	endpoints := load(t, "testdata/good/aliases-and-merges.yml").Webhook.Endpoints
	patient := config.Retry{MaxAttempts: 10}
	require.Equal(t, []config.Endpoint{
		{Name: "first", URL: "https://example.com/first", Retry: patient, Workers: 1},
		{Name: "second", URL: "https://example.com/first", Retry: config.Retry{MaxAttempts: 10, Multiplier: 3}, Workers: 1},
		{Name: "third", URL: "https://example.com/first", Retry: patient, Workers: 2, Timeout: time.Second},
	}, endpoints)
}

func TestFileTooLargeIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.yml")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("#", config.MaxFileBytes+1)), 0o600))
	_, _, err := config.Load(file)
	require.EqualError(t, err, file+": is larger than 1MiB")
	require.NoError(t, os.Truncate(file, config.MaxFileBytes))
	load(t, file)
}

func TestMissingFileIsAnError(t *testing.T) {
	_, _, err := config.Load(filepath.Join(t.TempDir(), "missing.yml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAliasesCannotMultiplyAFile(t *testing.T) {
	text := "webhook:\n  endpoints:\n    - events: &many [" + strings.Repeat("x,", 1000) + "x]\n" +
		strings.Repeat("    - {events: *many}\n", 1000)
	_, _, err := config.Parse("bomb.yml", []byte(text))
	var problems config.Errors
	require.ErrorAs(t, err, &problems)
	require.Contains(t, problems[0].Message, "has more than 200000 values")
}

func TestOnlyTheFirstHundredProblemsAreTold(t *testing.T) {
	_, _, err := config.Parse("many.yml", []byte("webhook: 1\n"+
		"sources:\n  mqtt_broker:\n    acl:\n"+strings.Repeat("      - {}\n", 150)))
	var problems config.Errors
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 101)
	require.Equal(t, "many.yml: and 51 problems more", problems[100].String())
}

func load(t *testing.T, file string) config.Config {
	t.Helper()
	loaded, _, err := config.Load(file)
	require.NoError(t, err)
	return loaded
}

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	parsed, _, err := config.Parse("test.yml", []byte(text))
	require.NoError(t, err)
	return parsed
}
