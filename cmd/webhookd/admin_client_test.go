package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdminSideIsAskedWhereItListens(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9090":   "http://127.0.0.1:9090",
		"localhost:9090":   "http://localhost:9090",
		":9090":            "http://127.0.0.1:9090",
		"0.0.0.0:9090":     "http://127.0.0.1:9090",
		"[::]:9090":        "http://[::1]:9090",
		"[2001:db8::1]:80": "http://[2001:db8::1]:80",
	} {
		url, err := reachable(listen)
		require.NoError(t, err, listen)
		require.Equal(t, want, url)
	}
	_, err := reachable("127.0.0.1:0")
	require.ErrorContains(t, err, "--url")
}

func TestProxyOfTheEnvironmentGetsNoAdminToken(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	client, err := adminFlags{URL: "http://192.0.2.1:9090", Token: "topsecret"}.client(console{})
	require.NoError(t, err)

	request, err := client.request(t.Context(), http.MethodGet, deadLettersPath, nil, nil)
	require.NoError(t, err)
	proxy, err := client.http.Transport.(*http.Transport).Proxy(request)

	require.NoError(t, err)
	require.Nil(t, proxy)
}
