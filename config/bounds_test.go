package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

// valid is a configuration with one endpoint.
func valid() (c config.Config, endpoint *config.Endpoint) {
	c = config.Default()
	c.Webhook.Endpoints = []config.Endpoint{{Name: "analytics", URL: "https://example.com"}}
	return c, &c.Webhook.Endpoints[0]
}

func letters(n int) string             { return strings.Repeat("x", n) }
func secret(n int) config.Secret       { return config.Secret(letters(n)) }
func items(n int, one string) []string { return slices.Repeat([]string{one}, n) }

func secretsByName(n int) map[string]config.Secret {
	named := map[string]config.Secret{}
	for name := range manyNames(n) {
		named[name] = "x"
	}
	return named
}

func oauth2(change func(*config.OAuth2)) *config.Auth {
	o := &config.OAuth2{TokenURL: "https://example.com/token", ClientID: "c", ClientSecret: "s"}
	change(o)
	return &config.Auth{OAuth2: o}
}

func TestEachTextAndListIsTakenUpToItsBound(t *testing.T) {
	for _, c := range []struct {
		path string
		most int
		unit string
		set  func(c *config.Config, e *config.Endpoint, n int)
	}{
		{"broker_id", 128, "bytes", func(c *config.Config, _ *config.Endpoint, n int) { c.BrokerID = letters(n) }},
		{"webhook.endpoints[0].name", 128, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Name = letters(n) }},
		{"webhook.endpoints[0].url", 8192, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.URL = "http://a.test/" + letters(n-14) }},
		{"webhook.endpoints[0].proxy", 8192, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Proxy = "http://" + secret(n-14) + "@a.test" }},
		{"webhook.endpoints[0].headers.A", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Headers = map[string]config.Secret{"A": secret(n)}
		}},
		{"webhook.endpoints[0].when", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.When = letters(n) }},
		{"webhook.endpoints[0].client_ids", 1000, "items", func(_ *config.Config, e *config.Endpoint, n int) { e.ClientIDs = items(n, "a*") }},
		{"webhook.endpoints[0].secrets", 10, "items", func(_ *config.Config, e *config.Endpoint, n int) { e.Secrets = slices.Repeat([]config.Secret{"s"}, n) }},
		{"webhook.endpoints[0].secrets[0]", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Secrets = []config.Secret{secret(n)} }},
		{"webhook.endpoints[0].egress.allow", 1000, "items", func(_ *config.Config, e *config.Endpoint, n int) { e.Egress.Allow = items(n, "10.0.0.0/8") }},
		{"webhook.endpoints[0].egress.deny", 1000, "items", func(_ *config.Config, e *config.Endpoint, n int) { e.Egress.Deny = items(n, "10.0.0.0/8") }},
		{"webhook.defaults.template.body", 262144, "bytes", func(c *config.Config, _ *config.Endpoint, n int) { c.Webhook.Defaults.Template.Body = secret(n) }},
		{"webhook.endpoints[0].request.method", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Request.Method = letters(n) }},
		{"webhook.endpoints[0].request.path", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Request.Path = "/" + letters(n-1) }},
		{"webhook.endpoints[0].request.query", 100, "items", func(_ *config.Config, e *config.Endpoint, n int) { e.Request.Query = manyNames(n) }},
		{"webhook.endpoints[0].request.query", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Request.Query = map[string]string{letters(n): ""} }},
		{"webhook.endpoints[0].request.query.a", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Request.Query = map[string]string{"a": letters(n)}
		}},
		{"webhook.endpoints[0].auth.basic.username", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = &config.Auth{Basic: &config.Basic{Username: letters(n)}}
		}},
		{"webhook.endpoints[0].auth.basic.password", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = &config.Auth{Basic: &config.Basic{Password: secret(n)}}
		}},
		{"webhook.endpoints[0].auth.bearer", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) { e.Auth = &config.Auth{Bearer: secret(n)} }},
		{"webhook.endpoints[0].auth.oauth2.client_id", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.ClientID = letters(n) })
		}},
		{"webhook.endpoints[0].auth.oauth2.client_secret", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.ClientSecret = secret(n) })
		}},
		{"webhook.endpoints[0].auth.oauth2.scopes", 100, "items", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.Scopes = items(n, "read") })
		}},
		{"webhook.endpoints[0].auth.oauth2.params", 100, "items", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.Params = secretsByName(n) })
		}},
		{"webhook.endpoints[0].auth.oauth2.params", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.Params = map[string]config.Secret{letters(n): ""} })
		}},
		{"webhook.endpoints[0].auth.oauth2.params.a", 65536, "bytes", func(_ *config.Config, e *config.Endpoint, n int) {
			e.Auth = oauth2(func(o *config.OAuth2) { o.Params = map[string]config.Secret{"a": secret(n)} })
		}},
	} {
		whole, endpoint := valid()
		c.set(&whole, endpoint, c.most)
		require.NoError(t, whole.Validate(), c.path)
		c.set(&whole, endpoint, c.most+1)
		require.EqualError(t, whole.Validate(), fmt.Sprintf("%s: has %d %s, and at most %d are allowed", c.path, c.most+1, c.unit, c.most))
	}
}

func TestNoPathHasAControlCharacter(t *testing.T) {
	const path = "a\x00b"
	for key, set := range map[string]func(c *config.Config, e *config.Endpoint){
		"store.dir":                              func(c *config.Config, _ *config.Endpoint) { c.Store.Dir = path },
		"webhook.endpoints[0].auth.bearer_file":  func(_ *config.Config, e *config.Endpoint) { e.Auth = &config.Auth{BearerFile: path} },
		"webhook.endpoints[0].tls.ca_file":       func(_ *config.Config, e *config.Endpoint) { e.TLS.CAFile = path },
		"webhook.endpoints[0].tls.cert_file":     func(_ *config.Config, e *config.Endpoint) { e.TLS = config.TLS{CertFile: path, KeyFile: "k"} },
		"webhook.endpoints[0].tls.key_file":      func(_ *config.Config, e *config.Endpoint) { e.TLS = config.TLS{CertFile: "c", KeyFile: path} },
		"sources.mqtt_broker.tls.cert_file":      broker(config.ServerTLS{CertFile: path, KeyFile: "k"}),
		"sources.mqtt_broker.tls.key_file":       broker(config.ServerTLS{CertFile: "c", KeyFile: path}),
		"sources.mqtt_broker.tls.client_ca_file": broker(config.ServerTLS{CertFile: "c", KeyFile: "k", ClientCAFile: path}),
	} {
		c, endpoint := valid()
		set(&c, endpoint)
		require.EqualError(t, c.Validate(), key+": has a control character")
	}
}

func broker(tls config.ServerTLS) func(*config.Config, *config.Endpoint) {
	return func(c *config.Config, _ *config.Endpoint) {
		c.Sources.MQTTBroker = &config.MQTTBroker{Listen: "127.0.0.1:1883", TLS: tls}
	}
}

func TestLargestPayloadFitsExactly(t *testing.T) {
	const need = config.ByteSize(76 << 10) // the base64 of 3 KiB, and 72 KiB
	c, endpoint := valid()
	c.Webhook.IncludePayload, c.Webhook.MaxPayloadBytes = true, 3<<10
	endpoint.QueueBytes = need
	require.NoError(t, c.Validate())
	endpoint.QueueBytes--
	require.ErrorContains(t, c.Validate(), "webhook.endpoints[0].queue_bytes: is 77823, and an event with a payload of max_payload_bytes, which is 3KiB, needs 76KiB")

	c, _ = valid()
	c.Webhook.IncludePayload, c.Webhook.MaxPayloadBytes = true, 6<<20
	c.Store.Dir, c.DeadLetters.MaxBytes = "d", 8*(8<<20+72<<10)
	require.NoError(t, c.Validate())
	c.DeadLetters.MaxBytes--
	require.ErrorContains(t, c.Validate(), "dead_letters.max_bytes: is ")
}

func TestPartsOfABrokersMemoryAreTakenUpToTheirBounds(t *testing.T) {
	const least = 1152 << 10
	for key, set := range map[string]func(b *config.MQTTBroker, size config.ByteSize) (most config.ByteSize){
		"max_client_bytes": func(b *config.MQTTBroker, size config.ByteSize) config.ByteSize {
			b.MaxClientBytes = size
			return 2 << 20
		},
		"max_queue_bytes": func(b *config.MQTTBroker, size config.ByteSize) config.ByteSize {
			b.MaxQueueBytes = size
			return 4 << 20
		},
		"max_retained_bytes": func(b *config.MQTTBroker, size config.ByteSize) config.ByteSize {
			b.MaxRetainedBytes = size
			return 16 << 20
		},
	} {
		c, _ := valid()
		c.Sources.MQTTBroker = &config.MQTTBroker{Listen: "127.0.0.1:1883", MaxBytes: 64 << 20}
		most := set(c.Sources.MQTTBroker, least)
		require.NoError(t, c.Validate(), key)
		set(c.Sources.MQTTBroker, most)
		require.NoError(t, c.Validate(), key)
		set(c.Sources.MQTTBroker, least-1)
		require.EqualError(t, c.Validate(), "sources.mqtt_broker."+key+": is 1179647, and at least 1152KiB is needed")
		set(c.Sources.MQTTBroker, most+1)
		require.ErrorContains(t, c.Validate(), "sources.mqtt_broker."+key+": is ")
	}
}

// TestCharactersAreThoseOfYAML holds the file to YAML 1.2 §5.1: a byte order mark stands at the beginning only.
func TestCharactersAreThoseOfYAML(t *testing.T) {
	for text, allowed := range map[string]bool{
		"\t": true, " ": true, "~": true, "\u0085": true, "\u00a0": true, "\ufffd": true, "\U00010000": true,
		"\x01": false, "\x1f": false, "\x7f": false, "\u0080": false, "\u0084": false, "\u0086": false, "\u009f": false,
		"\ufffe": false, "\uffff": false, "\ufeff": false,
	} {
		_, _, err := config.Parse("a.yml", []byte("broker_id: one\n# "+text))
		if allowed {
			require.NoError(t, err, "%q", text)
		} else {
			require.EqualError(t, err, fmt.Sprintf("a.yml:2:3: has the character %U, which YAML does not allow", []rune(text)[0]))
		}
	}
	_, _, err := config.Parse("a.yml", []byte("\ufeffbroker_id: one"))
	require.NoError(t, err)
}
