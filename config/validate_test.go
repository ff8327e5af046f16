package config_test

import (
	"math"
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
webhook.defaults.circuit_breaker.failure_threshold: is 0, and at least 1 is needed
webhook.defaults.circuit_breaker.reset_timeout: is 0s, and at least 1ms is needed
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
		{func(c *config.Config) { c.Webhook.Endpoints[0].Name = strings.Repeat("n", 129) }, "webhook.endpoints[0].name: has 129 bytes, and at most 128 are allowed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].URL += strings.Repeat("/", 8<<10) }, "webhook.endpoints[0].url: has 8211 bytes, and at most 8192 are allowed"},
		{func(c *config.Config) {
			c.Webhook.Endpoints[0].Headers = map[string]config.Secret{"A": config.Secret(strings.Repeat("a", 64<<10+1))}
		}, "webhook.endpoints[0].headers.A: has 65537 bytes, and at most 65536 are allowed"},
		{func(c *config.Config) { c.Webhook.Endpoints[0].Headers = map[string]config.Secret{"": ""} }, `webhook.endpoints[0].headers."": is no name of a header (RFC 9110 §5.1)`},
		{func(c *config.Config) { c.DeadLetters.Dir = "a\x00b" }, "dead_letters.dir: has a control character"},
		{func(c *config.Config) { c.Sources.Ingest = &config.Ingest{Listen: "localhost:0"} }, "sources.ingest.max_body_bytes: is 0, and at least 1KiB is needed"},
		{func(c *config.Config) {
			c.Sources.MQTTBroker = &config.MQTTBroker{Listen: ":0", Users: []config.User{{"a\x00b", "p"}}}
		}, "sources.mqtt_broker.users[0].username: is no text that MQTT can carry (MQTT 5.0 §1.5.4)"},
		{func(c *config.Config) { c.Admin = &config.Admin{} }, `admin.listen: is "", not HOST:PORT with a port from 0 to 65535`},
	} {
		c := config.Default()
		c.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "https://example.com"}}
		require.NoError(t, c.Validate())
		test.change(&c)
		require.EqualError(t, c.Validate(), test.want)
	}
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
