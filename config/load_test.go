package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
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
	require.Equal(t, config.Default(), load(t, "testdata/good/empty.yml").WithoutSource())
	require.Equal(t, config.Default(), load(t, "testdata/good/only-comments.yml").WithoutSource())
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
	got := load(t, "testdata/good/everything.yml").WithoutSource()
	file := func(name string) config.Path { return config.Path(filepath.Join("testdata", "good", name)) }
	require.Equal(t, config.Config{
		BrokerID: "broker-7",
		Webhook: config.Webhook{
			Enabled: true, QueueSize: 20000, QueueBytes: 128 << 20, DropPolicy: config.DropNewest, Workers: 8,
			IncludePayload: true, MaxPayloadBytes: 1 << 20, ShutdownTimeout: time.Minute,
			Defaults: config.Defaults{
				Timeout: 10 * time.Second,
				Retry: config.Retry{MaxAttempts: 5, InitialInterval: 500 * time.Millisecond, MaxInterval: time.Minute,
					Multiplier: 1.5, MaxRetryAfter: 10 * time.Minute, GiveUpAfter: 48 * time.Hour},
				CircuitBreaker: config.CircuitBreaker{FailureThreshold: 10, RejectionThreshold: 50, ResetTimeout: 90 * time.Second},
				RateLimit:      config.RateLimit{PerSecond: 2.5, Burst: 10},
				MaxAge:         24 * time.Hour,
				Batch:          config.Batch{MaxEvents: 1, MaxBytes: 512 << 10, MaxWait: time.Second},
				ClientIDs:      []string{"sensor-*"},
				When:           "data.qos > 0",
				Format:         config.FormatTemplate,
				Template:       config.Template{ContentType: "text/plain", Body: "{{.data.topic}}"},
				Request: config.Request{Method: "PUT", Path: "/devices/{{.data.client_id}}",
					Query: map[string]string{"key": "s3cret"}},
				Compression: config.CompressionGzip,
				Headers:     map[string]config.Secret{"X-Key": "s3cret"},
				Secrets:     []config.Secret{"whsec_s3cret"},
				Auth:        &config.Auth{BearerFile: file("token.secret")},
				TLS: config.TLS{CAFile: file("ca.pem"), CertFile: file("cert.pem"), KeyFile: file("key.pem"),
					ServerName: "hooks.example.com", MinVersion: "1.3"},
				Proxy:  "http://user:s3cret@proxy.example.com:3128",
				Egress: config.Egress{Allow: []string{"10.1.0.0/16"}, Deny: []string{"10.0.0.0/8", "fd00::/8"}},
			},
			Endpoints: []config.Endpoint{{
				Name: "analytics", Type: config.TypeHTTP, URL: "https://hooks.example.com/services/T0/B0/s3cret",
				Events: []string{"message.*", "client.connected"}, TopicFilters: []string{"sensors/#", "+/alarm"},
				Without: []string{"timeout"},
				Timeout: time.Second, Retry: config.Retry{MaxAttempts: 1},
				CircuitBreaker: config.CircuitBreaker{RejectionThreshold: config.NoRejectionThreshold, ResetTimeout: 5 * time.Second},
				RateLimit:      config.RateLimit{PerSecond: 0.5},
				MaxAge:         time.Minute,
				Batch:          config.Batch{MaxBytes: 1 << 10},
				ClientIDs:      []string{"?", "*-7"},
				When:           "event_type != 'message.acked'",
				Format:         config.FormatCloudEvents,
				Request:        config.Request{Method: "PATCH", Path: "/s3cret", Query: map[string]string{}},
				Compression:    config.CompressionNone,
				Headers:        map[string]config.Secret{"X-Token": "s3cret from a file", "X-Price": "$5 and ${literal}"},
				Secrets:        []config.Secret{"s3cret from a file", "whsec_s3cret"},
				Auth: &config.Auth{OAuth2: &config.OAuth2{
					TokenURL: "https://id.example.com/token?key=s3cret", ClientID: "webhookd", ClientSecret: "s3cret from a file",
					Scopes: []string{"events.write", "events.read"}, Params: map[string]config.Secret{"audience": "s3cret"},
				}},
				TLS:     config.TLS{MinVersion: "1.2"},
				Proxy:   config.ProxyDirect,
				Egress:  config.Egress{Allow: []string{}},
				Workers: 1, QueueSize: 100, QueueBytes: 2 << 20, DropPolicy: config.DropOldest,
			}, {
				Name: "audit", URL: "http://user:s3cret@127.0.0.1:8081?key=s3cret", Auth: &config.Auth{},
			}, {
				Name: "basic", URL: "http://127.0.0.1:8081",
				Template: config.Template{ContentType: "application/json", Body: "{}"},
				Auth:     &config.Auth{Basic: &config.Basic{Username: "webhookd", Password: "s3cret"}},
			}, {
				Name: "bearer", URL: "http://127.0.0.1:8081", Auth: &config.Auth{Bearer: "s3cret"},
			}},
		},
		Sources: config.Sources{
			MQTTBroker: &config.MQTTBroker{
				Listen: "0.0.0.0:1883", WebSocketListen: "localhost:0", AllowedHosts: []string{"mqtt.example.com", "10.0.0.1"},
				TLS:      config.ServerTLS{CertFile: file("server.pem"), KeyFile: "/etc/server.key", ClientCAFile: file("clients.pem")},
				MaxBytes: 512 << 20, MaxClientBytes: 3 << 20, MaxQueueBytes: 5 << 20, MaxRetainedBytes: 100 << 20, MaxConnecting: 2000,
				Users: []config.User{{"alice", "s3cret"}, {"bob", "s3cret from a file"}},
				ACL: []config.ACLRule{
					{Username: "alice", Publish: []string{"sensors/#"}, Subscribe: []string{"#"}},
					{Subscribe: []string{"public/#"}},
				},
			},
			Ingest: &config.Ingest{Listen: "[::]:8080", Token: "s3cret from a file", MaxBodyBytes: 1 << 20,
				AllowedHosts: []string{"webhookd.example", "2001:db8::7"}},
		},
		Admin:       &config.Admin{Listen: "127.0.0.1:0", Token: "s3cret", AllowedHosts: []string{"metrics.webhookd.example"}},
		Store:       config.Store{Dir: file("kept"), MaxBytes: 128 << 30, CommitDelay: 5 * time.Millisecond},
		DeadLetters: config.DeadLetters{MaxBytes: 64 << 20, MaxAge: 48 * time.Hour},
		Log:         config.Log{Level: "debug", Format: "json"},
	}, got)
}

// The test above compares what is read. This one fails where a key was added and forgotten there.
func TestEverythingSaysEveryKey(t *testing.T) {
	said := map[string]bool{}
	markSaid(reflect.ValueOf(load(t, "testdata/good/everything.yml").WithoutSource()), said)
	for _, field := range fieldsOf(reflect.TypeFor[config.Config]()) {
		require.True(t, said[field], "everything.yml says no %s", field)
	}
}

// markSaid marks the fields, as "Struct.Field", that are not zero.
func markSaid(value reflect.Value, said map[string]bool) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			markSaid(value.Elem(), said)
		}
	case reflect.Slice:
		for i := range value.Len() {
			markSaid(value.Index(i), said)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if !value.Field(i).IsZero() {
				said[value.Type().Name()+"."+value.Type().Field(i).Name] = true
				markSaid(value.Field(i), said)
			}
		}
	}
}

// fieldsOf are the exported fields of a struct and of those within it, as "Struct.Field".
func fieldsOf(of reflect.Type) []string {
	var fields []string
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldsOf(of.Elem())
	case reflect.Struct:
		for i := range of.NumField() {
			if field := of.Field(i); field.IsExported() {
				fields = append(append(fields, of.Name()+"."+field.Name), fieldsOf(field.Type)...)
			}
		}
	}
	return fields
}

func TestSectionWithoutKeysIsOnWithItsDefaults(t *testing.T) {
	got := load(t, "testdata/good/sections-without-keys.yml")
	require.Equal(t, &config.MQTTBroker{
		Listen: "127.0.0.1:1883", MaxBytes: 256 << 20, MaxClientBytes: 2 << 20, MaxQueueBytes: 4 << 20, MaxRetainedBytes: 16 << 20,
		MaxConnecting: 1000,
	}, got.Sources.MQTTBroker)
	require.Equal(t, &config.Ingest{Listen: "127.0.0.1:8080", MaxBodyBytes: 8 << 20}, got.Sources.Ingest)
	require.Equal(t, &config.Admin{Listen: "127.0.0.1:9090"}, got.Admin)
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
	require.Equal(t, problems[:100], problems[:100].Arranged(), "a hundred are told, and no more is said")
}

func TestOneSectionThatIsLeftAloneIsNoted(t *testing.T) {
	_, notes, err := config.Parse("fluxmq.yml", []byte("broker_id: one\nstorage: {}\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"other sections of this file are left alone: storage"}, notes)
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
