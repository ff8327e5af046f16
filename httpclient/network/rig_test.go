package network

import (
	"log/slog"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fluxmq/webhookd/config"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m)
}

func endpointAt(url string) config.Endpoint {
	webhook := config.Default().Webhook
	webhook.Endpoints = []config.Endpoint{{Name: "test", URL: url}}
	return webhook.Resolve()[0]
}

func newNetwork(t testing.TB, endpoint config.Endpoint) *Network {
	t.Helper()
	address, err := url.Parse(endpoint.URL)
	require.NoError(t, err)
	network, err := New(endpoint, address, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(network.Close)
	return network
}
