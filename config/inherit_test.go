package config_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestEndpointRepeatsEveryDefault(t *testing.T) {
	endpoint, defaults := reflect.TypeFor[config.Endpoint](), reflect.TypeFor[config.Defaults]()
	for i := range defaults.NumField() {
		want := defaults.Field(i)
		got, found := endpoint.FieldByName(want.Name)
		require.True(t, found, want.Name)
		require.Equal(t, want.Type, got.Type, want.Name)
		require.Equal(t, want.Tag, got.Tag, want.Name)
	}
}

func TestEveryDefaultIsInherited(t *testing.T) {
	webhook := load(t, "testdata/good/everything.yml").Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "silent", URL: "https://example.com"}}
	resolved, defaults := reflect.ValueOf(webhook.Resolve()[0]), reflect.ValueOf(webhook.Defaults)
	for i := range defaults.NumField() {
		name := defaults.Type().Field(i).Name
		require.NotZero(t, defaults.Field(i).Interface(), name)
		require.Equal(t, defaults.Field(i).Interface(), resolved.FieldByName(name).Interface(), name)
	}
}

func TestPartialOverrideInheritsTheOtherKeys(t *testing.T) {
	endpoint := load(t, "testdata/good/partial-override.yml").Webhook.Resolve()[0]
	want := config.Default().Webhook.Defaults.Retry
	want.MaxAttempts, want.Multiplier = 5, 3
	require.Equal(t, want, endpoint.Retry)
	require.Equal(t, config.Default().Webhook.Defaults.CircuitBreaker, endpoint.CircuitBreaker)
	require.Equal(t, config.Default().Webhook.QueueSize, endpoint.QueueSize)
}

func TestSectionsInheritKeyByKey(t *testing.T) {
	endpoints := load(t, "testdata/good/batched.yml").Webhook.Resolve()
	require.Equal(t, config.Batch{MaxEvents: 1000, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond}, endpoints[0].Batch)
	require.Equal(t, config.Batch{MaxEvents: 100, MaxBytes: 1 << 20, MaxWait: 10 * time.Millisecond}, endpoints[1].Batch)
	require.Equal(t, config.Batch{MaxEvents: 1, MaxBytes: 1 << 20, MaxWait: 10 * time.Millisecond}, endpoints[2].Batch)
	require.False(t, endpoints[2].Batch.Batches())

	everything := load(t, "testdata/good/everything.yml").Webhook
	analytics, defaults := everything.Resolve()[0], everything.Defaults
	require.Equal(t, config.RateLimit{PerSecond: 0.5, Burst: 10}, analytics.RateLimit)
	require.Equal(t, defaults.TLS.CAFile, analytics.TLS.CAFile)
	require.Equal(t, "1.2", analytics.TLS.MinVersion)
	require.Equal(t, []string{"10.0.0.0/8", "fd00::/8"}, analytics.Egress.Deny)
}

func TestListsAndAuthAreInheritedWhole(t *testing.T) {
	analytics := load(t, "testdata/good/everything.yml").Webhook.Resolve()[0]
	require.Equal(t, []string{"?", "*-7"}, analytics.ClientIDs)
	require.Len(t, analytics.Secrets, 2)
	require.Empty(t, analytics.Auth.BearerFile)
	require.NotNil(t, analytics.Auth.OAuth2)
	require.Empty(t, analytics.Egress.Allow)
}

func TestExplicitlyEmptySwitchesADefaultOff(t *testing.T) {
	inherits := load(t, "testdata/good/switched-off.yml").Webhook
	require.Len(t, inherits.Resolve()[0].Secrets, 1)
	require.NotEmpty(t, inherits.Resolve()[0].Auth.Bearer)

	without := inherits.Resolve()[1]
	require.Empty(t, without.ClientIDs)
	require.Empty(t, without.Secrets)
	require.Empty(t, without.Headers)
	require.Empty(t, without.Request.Query)
	require.Equal(t, &config.Auth{}, without.Auth)
	require.Equal(t, config.Egress{Allow: []string{}, Deny: []string{}}, without.Egress)
	require.EqualValues(t, config.ProxyDirect, without.Proxy)
}

func TestEndpointGoesWithoutWhatItSaysOfTheDefaults(t *testing.T) {
	endpoints := load(t, "testdata/good/switched-off.yml").Webhook.Resolve()
	inherits, without, standard := endpoints[0], endpoints[1], config.Default().Webhook.Defaults
	require.Equal(t, config.TLS{MinVersion: "1.3"}, inherits.TLS)
	require.Equal(t, time.Hour, inherits.MaxAge)
	require.Zero(t, without.TLS)
	require.Zero(t, without.MaxAge)
	require.Zero(t, without.Template)
	require.Equal(t, config.RateLimit{PerSecond: 1, Burst: 2}, without.RateLimit, "it may say its own")
	require.Equal(t, standard.Retry, without.Retry, "what can't be off is as where nobody says anything")
}

func TestEndpointWithoutTheHeadersOfTheDefaultsHasItsOwnOnly(t *testing.T) {
	webhook := config.Webhook{
		Defaults:  config.Defaults{Headers: map[string]config.Secret{"Authorization": "Bearer s3cret"}},
		Endpoints: []config.Endpoint{{Without: []string{"headers"}, Headers: map[string]config.Secret{"X-A": "1"}}},
	}
	require.Equal(t, map[string]config.Secret{"X-A": "1"}, webhook.Resolve()[0].Headers)
}

func TestHeadersInheritByNameWhateverTheirCase(t *testing.T) {
	for _, test := range []struct{ given, defaults, want map[string]config.Secret }{
		{nil, map[string]config.Secret{"X-A": "1"}, map[string]config.Secret{"X-A": "1"}},
		{map[string]config.Secret{"X-A": "1"}, nil, map[string]config.Secret{"X-A": "1"}},
		{map[string]config.Secret{}, map[string]config.Secret{"X-A": "1"}, map[string]config.Secret{}},
		{map[string]config.Secret{"x-a": "2"}, map[string]config.Secret{"X-A": "1", "X-B": "1"}, map[string]config.Secret{"x-a": "2", "X-B": "1"}},
	} {
		webhook := config.Webhook{
			Defaults:  config.Defaults{Headers: test.defaults},
			Endpoints: []config.Endpoint{{Headers: test.given}},
		}
		require.Equal(t, test.want, webhook.Resolve()[0].Headers)
		require.Equal(t, test.given, webhook.Endpoints[0].Headers, "what is resolved is a copy")
	}
}
