package config_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

const locatable = `webhook:
  defaults:
    secrets: [default]
    tls:
      ca_file: /ca.pem
    auth: {bearer_file: /token}
    headers: {X-A: a}
  endpoints:
    - name: inherits
      url: https://a.test
    - name: says
      url: https://b.test
      secrets:
        - own
        - other
      tls: {min_version: 1.3}
      auth:
        oauth2: {token_url: "https://id.test", client_id: a, client_secret: b}
      headers: {X-B: b}
`

func TestKeyErrorIsLocatedWhereItsValueIsSaid(t *testing.T) {
	parsed := parse(t, locatable)
	unusable := errors.New("is unusable")
	for _, test := range []struct {
		endpoint int
		key      string
		want     string
	}{
		{0, "secrets[0]", "test.yml:3:15: webhook.defaults.secrets[0]"},
		{1, "secrets[1]", "test.yml:15:11: webhook.endpoints[1].secrets[1]"},
		{0, "tls.ca_file", "test.yml:5:7: webhook.defaults.tls.ca_file"},
		{1, "tls.ca_file", "test.yml:5:7: webhook.defaults.tls.ca_file"},
		{1, "tls.min_version", "test.yml:16:13: webhook.endpoints[1].tls.min_version"},
		{1, "tls.key_file", "test.yml:16:7: webhook.endpoints[1].tls.key_file"},
		{0, "tls.key_file", "test.yml:4:5: webhook.defaults.tls.key_file"},
		{0, "auth.bearer_file", "test.yml:6:12: webhook.defaults.auth.bearer_file"},
		{1, "auth.oauth2.token_url", "test.yml:18:18: webhook.endpoints[1].auth.oauth2.token_url"},
		{1, "headers.X-A", "test.yml:7:15: webhook.defaults.headers.X-A"},
		{0, "url", "test.yml:10:7: webhook.endpoints[0].url"},
		{0, "when", "test.yml:9:7: webhook.endpoints[0].when"},
	} {
		problems := parsed.EndpointProblems(test.endpoint, &config.KeyError{Key: test.key, Err: unusable})
		require.EqualError(t, problems, test.want+": is unusable")
	}
}

func TestJoinedAndWrappedErrorsAreEachLocated(t *testing.T) {
	err := errors.Join(
		fmt.Errorf("make a client: %w", &config.KeyError{Key: "tls.ca_file", Err: errors.New("can't be read")}),
		errors.Join(&config.KeyError{Key: "secrets[0]", Err: errors.Join(errors.New("is short"))}),
		errors.New("has no luck"),
	)
	require.EqualError(t, parse(t, locatable).EndpointProblems(0, err), `test.yml:5:7: webhook.defaults.tls.ca_file: can't be read
test.yml:3:15: webhook.defaults.secrets[0]: is short
test.yml:9:7: webhook.endpoints[0]: has no luck`)
}

func TestKeyErrorOfAProgramsConfigHasAPathOnly(t *testing.T) {
	c := config.Default()
	c.Webhook.Defaults.TLS.CAFile = "/ca.pem"
	c.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: "https://a.test"}}
	problems := c.EndpointProblems(0, &config.KeyError{Key: "tls.ca_file", Err: errors.New("can't be read")})
	require.Equal(t, config.Errors{{Path: "webhook.endpoints[0].tls.ca_file", Message: "can't be read"}}, problems)
}

func TestKeyErrorNamesItsKeyAndUnwraps(t *testing.T) {
	cause := errors.New("is unusable")
	err := &config.KeyError{Key: "when", Err: cause}
	require.EqualError(t, err, "when: is unusable")
	require.ErrorIs(t, err, cause)
}

func TestArrangedProblemsAreEachToldOnceInTheOrderOfTheFile(t *testing.T) {
	late, early := config.Problem{File: "a.yml", Line: 9, Path: "b"}, config.Problem{File: "a.yml", Line: 2, Column: 3, Path: "a"}
	problems := config.Errors{late, early, late}
	require.Equal(t, config.Errors{early, late}, problems.Arranged())
	require.Equal(t, config.Errors{late, early, late}, problems)
}
