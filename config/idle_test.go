package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestLinesToAddEndIdleness(t *testing.T) {
	reasons := config.Default().IdleReasons()
	require.Len(t, reasons, 3)
	for _, reason := range reasons {
		left := parse(t, reason.Add).IdleReasons()
		require.Len(t, left, 2)
		require.NotContains(t, left, reason)
	}
}

func TestFluxMQFileHasNoSource(t *testing.T) {
	reasons := load(t, "testdata/good/fluxmq-webhook-section.yml").IdleReasons()
	require.Len(t, reasons, 1)
	require.Contains(t, reasons[0].Reason, "no source")
	require.Equal(t, `sources:
  mqtt_broker:
    listen: 127.0.0.1:1883
  ingest:
    listen: 127.0.0.1:8080
`, reasons[0].Add)
}

func TestWorkingConfigurationIsNotIdle(t *testing.T) {
	require.Empty(t, load(t, "testdata/good/everything.yml").IdleReasons())
}
