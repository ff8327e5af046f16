package admin

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestHealthAndReadinessThroughLife(t *testing.T) {
	r := newRig(t)
	requireText := func(path string, status int, text string) {
		t.Helper()
		got := r.ask(t, http.MethodGet, path)
		require.Equal(t, status, got.status)
		require.Equal(t, text, strings.TrimSuffix(got.body, "\n"))
		require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	}
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusServiceUnavailable, "not ready")

	r.SetReady(true)
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusOK, "ready")

	r.SetReady(false)
	requireText("/healthz", http.StatusOK, "ok")
	requireText("/readyz", http.StatusServiceUnavailable, "not ready")

	require.NoError(t, r.Close(t.Context()))
	_, err := net.Dial("tcp", r.Addr().String())
	require.Error(t, err)
}

func TestOnlyThreeDoorsAreOpenAndOnlyToReaders(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodHead, "/healthz", http.StatusOK},
		{http.MethodHead, "/metrics", http.StatusOK},
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/readyz", http.StatusMethodNotAllowed},
		{http.MethodPut, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/metrics/", http.StatusNotFound},
		{http.MethodGet, "/healthz/x", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodPost, "/v1/events", http.StatusNotFound},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			got := r.ask(t, c.method, c.path)
			require.Equal(t, c.status, got.status)
			if c.status == http.StatusMethodNotAllowed {
				require.Equal(t, "GET, HEAD", got.header.Get("Allow"))
			}
		})
	}
}

func TestNewRefusesWhatCanNotServe(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct{ listen, version, problem string }{
		"no address":      {"", version, `listen address "": missing port in address`},
		"garbled version": {"127.0.0.1:9090", "\xff", "register the metrics:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(config.Admin{Listen: c.listen}, r.router, c.version, discardLog)
			require.ErrorContains(t, err, c.problem)
		})
	}
}
