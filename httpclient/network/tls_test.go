package network

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestAuthoritiesOfTheConfigurationReplaceTheSystems(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(path, authority, 0o600))
	endpoint := endpointAt("https://receiver.example")
	endpoint.TLS.CAFile = config.Path(path)

	transport := newNetwork(t, endpoint).Acquire()
	defer transport.Release()

	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	require.True(t, transport.http.TLSClientConfig.RootCAs.Equal(trusted))
}
