package admin

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestIdleConnectionsKeepNobodyFromTheDoors(t *testing.T) {
	r := newRig(t)
	for name, text := range map[string]string{
		"silent":     "",
		"half sent":  "GET /healthz HTTP/1.1\r\n",
		"kept alive": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		for range maxConnections {
			connection, err := net.Dial("tcp", r.Addr().String())
			require.NoError(t, err)
			defer connection.Close()
			_, err = io.WriteString(connection, text)
			require.NoError(t, err)
		}
		began := time.Now()
		require.Equal(t, http.StatusOK, r.ask(t, http.MethodGet, "/healthz").status, name)
		require.Less(t, time.Since(began), 4*time.Second, "%s: room was made by no time-out", name)
		r.client.CloseIdleConnections()
	}
}

func TestEveryDoorChecksTheHostFirst(t *testing.T) {
	r := newRig(t)
	server, err := New(config.Admin{Listen: "127.0.0.1:0", Token: token, AllowedHosts: []string{"webhookd.example"}}, r.router, version, discardLog)
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() { require.NoError(t, server.Close(t.Context())) }()
	defer r.client.CloseIdleConnections()
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/dead-letters", "/v1/dead-letters/replay", "/"} {
		for host, allowed := range map[string]bool{"webhookd.example": true, "webhookd.example.evil": false} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr().String()+path, nil)
			require.NoError(t, err)
			request.Host = host
			response, err := r.client.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, allowed, response.StatusCode != http.StatusForbidden, "%s %s", host, path)
		}
	}
}
