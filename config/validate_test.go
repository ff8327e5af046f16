package config_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestDefaultIsValid(t *testing.T) {
	require.NoError(t, config.Default().Validate())
}

func TestZeroConfigIsTold(t *testing.T) {
	require.EqualError(t, config.Config{}.Validate(), strings.TrimSpace(`
broker_id: is required
webhook.queue_size: is 0, and at least 100 is needed
webhook.queue_bytes: is 0, and at least 64KiB is needed
webhook.workers: is 0, and at least 1 is needed
webhook.drop_policy: is "", not oldest or newest
webhook.max_payload_bytes: is 0, and at least 1 is needed
webhook.shutdown_timeout: is 0s, and at least 1ms is needed
webhook.defaults.timeout: is 0s, and at least 1ms is needed
webhook.defaults.retry.max_attempts: is 0, and at least 1 is needed
webhook.defaults.retry.initial_interval: is 0s, and at least 1ms is needed
webhook.defaults.retry.max_interval: is 0s, and at least 1ms is needed
webhook.defaults.retry.multiplier: is 0, and at least 1 is needed
webhook.defaults.retry.max_retry_after: is 0s, and at least 1ms is needed
webhook.defaults.retry.give_up_after: is 0s, and at least 1ms is needed
webhook.defaults.circuit_breaker.failure_threshold: is 0, and at least 1 is needed
webhook.defaults.circuit_breaker.rejection_threshold: is 0, and at least 1 is needed
webhook.defaults.circuit_breaker.reset_timeout: is 0s, and at least 1ms is needed
webhook.defaults.batch.max_events: is 0, and at least 1 is needed
webhook.defaults.batch.max_bytes: is 0, and at least 1KiB is needed
webhook.defaults.batch.max_wait: is 0s, and at least 1ms is needed
webhook.defaults.format: is "", not fluxmq or cloudevents or cloudevents-binary or template or raw
webhook.defaults.compression: is "", not none or gzip
store.max_bytes: is 0, and at least 64MiB is needed
dead_letters.max_bytes: is 0, and at least 8MiB is needed
log.level: is "", not debug or info or warn or error`))
}

func TestConfigOfAProgramIsCheckedAsAFileIs(t *testing.T) {
	for _, test := range []struct {
		change func(*config.Config)
		want   string
	}{
		{func(c *config.Config) { c.Webhook.Defaults.Retry.Multiplier = math.NaN() }, "webhook.defaults.retry.multiplier: is NaN, and at least 1 is needed"},
		{func(c *config.Config) { c.Webhook.Defaults.Retry.Multiplier = math.Inf(1) }, "webhook.defaults.retry.multiplier: is +Inf, and at most 100 is allowed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Timeout = -time.Second }, "webhook.endpoints[0].timeout: is -1s, and at least 1ms is needed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].DropPolicy = "oldst" }, `webhook.endpoints[0].drop_policy: is "oldst", not oldest or newest (did you mean "oldest"?)`},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Name = "\xff" }, "webhook.endpoints[0].name: has a character that is not printable"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Headers = map[string]config.Secret{"": ""} }, `webhook.endpoints[0].headers."": is no name of a header (RFC 9110 §5.1)`},
		{func(c *config.Config) { c.Webhook.Defaults.RateLimit.PerSecond = math.NaN() }, "webhook.defaults.rate_limit.per_second: is NaN, and at least 0.0001 is needed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].RateLimit.PerSecond = math.Inf(1) }, "webhook.endpoints[0].rate_limit.per_second: is +Inf, and at most 1000000 is allowed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Secrets = []config.Secret{""} }, "webhook.endpoints[0].secrets[0]: is empty"},
		{func(c *config.Config) {
			c.Webhook.Endpoints[0].Request = config.Request{Method: strings.Repeat("é ", 50)}
		}, "webhook.endpoints[0].request.method: is \"" + strings.Repeat("é ", 21) + "\"…, which is no method, as PUT (RFC 9110 §9.1)"},
		{func(c *config.Config) {
			c.Webhook.Endpoints[0].Request = config.Request{Query: map[string]string{"": "x"}}
		}, "webhook.endpoints[0].request.query: has a parameter without a name"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Auth = &config.Auth{Bearer: "a\x7f"} }, `webhook.endpoints[0].auth.bearer: has a space or another character that no token has: write it without "Bearer" (RFC 6750 §2.1)`},
		{func(c *config.Config) { c.DeadLetters.MaxAge = -24 * time.Hour }, "dead_letters.max_age: is -24h0m0s, and at least 24h0m0s is needed"},
		{func(c *config.Config) { c.Store.Dir = "a\x00b" }, "store.dir: has a control character"},
		{func(c *config.Config) { c.Store.CommitDelay = -time.Millisecond }, "store.commit_delay: is -1ms, and at least 0s is needed"},
		{func(c *config.Config) { c.Sources.Ingest = &config.Ingest{Listen: "localhost:0"} }, "sources.ingest.max_body_bytes: is 0, and at least 1KiB is needed"},
		{func(c *config.Config) {
			c.Sources.MQTTBroker = &config.MQTTBroker{Listen: ":0", Users: []config.User{{"a\x00b", "p"}}}
		}, "sources.mqtt_broker.users[0].username: is no text that MQTT can carry (MQTT 5.0 §1.5.4)"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Headers = map[string]config.Secret{"\xff": ""} }, `webhook.endpoints[0].headers."\xff": is no name of a header (RFC 9110 §5.1)`},
		{func(c *config.Config) {
			c.Webhook.Endpoints[0].Auth = &config.Auth{Basic: &config.Basic{Username: strings.Repeat(":", 64<<10+1)}}
		}, "webhook.endpoints[0].auth.basic.username: has a colon, which ends a username (RFC 7617 §2)"},
		{func(c *config.Config) {
			c.Webhook.Defaults.Request.Path, c.Webhook.Endpoints[0].Batch.MaxEvents = "/events", 2
		}, "webhook.endpoints[0].batch.max_events: is 2, and defaults.request says where the request of one event goes"},
		{func(c *config.Config) { c.Admin = &config.Admin{Listen: "127.0.0.1:1a"} }, `admin.listen: is "127.0.0.1:1a", not HOST:PORT with a port from 0 to 65535`},
		{func(c *config.Config) { c.Admin = &config.Admin{} }, `admin.listen: is "", not HOST:PORT with a port from 0 to 65535`},
	} {
		c := config.Default()
		c.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "https://example.com"}}
		require.NoError(t, c.Validate())
		test.change(&c)
		require.EqualError(t, c.Validate(), test.want)
	}
}

func manyNames(count int) map[string]string {
	names := map[string]string{}
	for i := range count {
		names[strconv.Itoa(i)] = "x"
	}
	return names
}

func TestWhatEndpointsNeedToBeReachedIsAllowed(t *testing.T) {
	for _, endpoint := range []config.Endpoint{
		{Proxy: "http://user:pass@proxy.example.com:3128"}, {Proxy: "https://proxy.example.com/"}, {Proxy: "socks5://[::1]:1080"},
		{Proxy: config.ProxyDirect},
		{Egress: config.Egress{Allow: []string{"10.0.0.1/32", "::/0", "fd00::1/128", "0.0.0.0/0"}}},
		{TLS: config.TLS{ServerName: "192.0.2.1"}}, {TLS: config.TLS{ServerName: "a_b.example.com", MinVersion: "1.3"}},
		{Auth: &config.Auth{Basic: &config.Basic{Username: "key"}}}, {Auth: &config.Auth{Basic: &config.Basic{Password: "pâss:word"}}},
		{Auth: &config.Auth{Bearer: "1|aZ09-._~+/=="}},
		{Auth: &config.Auth{OAuth2: &config.OAuth2{TokenURL: "http://[::1]:80/token", ClientID: "a b", ClientSecret: "ü"}}},
		{Format: config.FormatTemplate, Template: config.Template{Body: "{}", ContentType: `text/plain; charset="utf-8"`}},
		{Request: config.Request{Method: "PROPFIND"}},
		{MaxAge: time.Second, RateLimit: config.RateLimit{PerSecond: 0.0001, Burst: 1_000_000}},
		{Batch: config.Batch{MaxEvents: 10_000}, Workers: 1},
	} {
		endpoint.Name, endpoint.URL = "analytics", "https://example.com"
		c := config.Default()
		c.Webhook.Endpoints = []config.Endpoint{endpoint}
		require.NoError(t, c.Validate(), "%+v", endpoint)
	}
}

func TestQueuesMayHoldWhatOnlyAStoreHasRoomFor(t *testing.T) {
	c := config.Default()
	c.Store.Dir, c.Store.MaxBytes, c.Store.CommitDelay = "kept", 2<<40, 0
	c.Webhook.QueueSize, c.Webhook.QueueBytes = 10_000_000, 500<<30
	c.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "https://example.com", QueueSize: 100_000_000, QueueBytes: 1 << 40}}
	require.NoError(t, c.Validate())
}

func TestIngestNeedsATokenOffLoopbackOnly(t *testing.T) {
	for listen, needed := range map[string]bool{
		"127.0.0.1:8080": false, "127.9.9.9:0": false, "[::1]:8080": false, "localhost:8080": false, "LOCALHOST:1": false,
		"[::ffff:127.0.0.1]:1": false,
		":8080":                true, "0.0.0.0:8080": true, "[::]:8080": true, "192.0.2.1:8080": true, "localhost.example.com:1": true,
	} {
		c := config.Default()
		c.Sources.Ingest = &config.Ingest{Listen: listen, MaxBodyBytes: config.DefaultMaxBodyBytes}
		err := c.Validate()
		if needed {
			require.ErrorContains(t, err, "sources.ingest.token: is required", listen)
		} else {
			require.NoError(t, err, listen)
		}
		c.Sources.Ingest.Token = "token"
		require.NoError(t, c.Validate(), listen)
	}
}

func TestHeadersThatReceiversNeedAreAllowed(t *testing.T) {
	c := config.Default()
	c.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "https://example.com", Headers: map[string]config.Secret{
		"Authorization": "Bearer s3cret", "Host": "other.example.com:8443", "User-Agent": "me", "Content-Type": "text/json",
		"X-Tab": "a\tb", "X-Umlaut": "ü", "X_Odd!#$%&'*+.^`|~": "x",
	}}}
	require.NoError(t, c.Validate())
}
