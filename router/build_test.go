package router_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

const threeEndpoints = `webhook:
  enabled: true
  defaults:
    tls: {ca_file: /ca.pem}
  endpoints:
    - {name: first, url: "https://a.test"}
    - name: second
      url: https://b.test
      secrets: [one, two]
    - {name: third, url: "https://c.test"}
`

func TestUnusableValuesOfAllEndpointsAreToldAtOnceWithTheirPlaces(t *testing.T) {
	cfg, _, err := config.Parse("webhookd.yml", []byte(threeEndpoints))
	require.NoError(t, err)
	_, err = spawnWith(cfg, func(endpoint config.Endpoint) (actors.Sender, error) {
		err := error(&config.KeyError{Key: "tls.ca_file", Err: errors.New("can't be read")})
		for i := range endpoint.Secrets {
			err = errors.Join(err, &config.KeyError{Key: []string{"secrets[0]", "secrets[1]"}[i], Err: errors.New("is short")})
		}
		return nil, err
	})
	var problems config.Errors
	require.ErrorAs(t, err, &problems)
	require.EqualError(t, problems, `webhookd.yml:4:11: webhook.defaults.tls.ca_file: can't be read
webhookd.yml:9:17: webhook.endpoints[1].secrets[0]: is short
webhookd.yml:9:22: webhook.endpoints[1].secrets[1]: is short`)
}

func TestSendersThatWereMadeAreClosedWhenOneIsUnusable(t *testing.T) {
	cfg, _, err := config.Parse("webhookd.yml", []byte(threeEndpoints))
	require.NoError(t, err)
	made := &rigSender{receiver: &receiver{}}
	broken := errors.New("no luck")
	_, err = spawnWith(cfg, func(endpoint config.Endpoint) (actors.Sender, error) {
		if endpoint.Name == "second" {
			return nil, broken
		}
		return made, nil
	})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, `endpoint "second": no luck`)
	require.True(t, made.closed)
}

func TestKeyErrorsAndOthersAreToldTogether(t *testing.T) {
	cfg, _, err := config.Parse("webhookd.yml", []byte(threeEndpoints))
	require.NoError(t, err)
	_, err = spawnWith(cfg, func(endpoint config.Endpoint) (actors.Sender, error) {
		if endpoint.Name == "second" {
			return nil, errors.New("no luck")
		}
		return nil, &config.KeyError{Key: "url", Err: errors.New("is out of reach")}
	})
	require.EqualError(t, err, `spawn the router: endpoint "second": no luck
webhookd.yml:6:21: webhook.endpoints[0].url: is out of reach
webhookd.yml:10:21: webhook.endpoints[2].url: is out of reach`)
}

func TestCheckFindsAnUnusableValueWithItsPlace(t *testing.T) {
	cfg, _, err := config.Parse("webhookd.yml", []byte(`webhook:
  defaults:
    secrets: [s3cret]
  endpoints:
    - {name: first, url: "https://a.test"}
    - {name: second, url: "https://b.test"}
`))
	require.NoError(t, err)
	err = router.Check(cfg)
	var problems config.Errors
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 1, "a value that two inherit is told once")
	require.ErrorContains(t, err, "webhookd.yml:3:15: webhook.defaults.secrets[0]: ")
	require.NotContains(t, err.Error(), "s3cret")
}

func TestCheckDraftAddsWhatCheckWouldFind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte(`webhook:
  endpoints:
    - {name: first, url: nowhere, secrets: [short]}
    - {name: second, url: "https://b.test", when: "data.qos"}
`), 0o600))
	draft, _, problems, err := config.LoadDraft(file)
	require.NoError(t, err)
	require.Len(t, problems, 1)
	var paths []string
	for _, problem := range router.CheckDraft(draft, problems) {
		paths = append(paths, problem.Path)
	}
	require.Equal(t, []string{"webhook.endpoints[0].url", "webhook.endpoints[0].secrets[0]", "webhook.endpoints[1].when"}, paths)
}

func spawnWith(cfg config.Config, senders func(config.Endpoint) (actors.Sender, error)) (*router.Handle, error) {
	quiet := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
	return router.Spawn(actor.NewActorSystem(quiet), cfg, router.WithSenders(senders))
}
