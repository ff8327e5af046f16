package ingest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/internal/httpserver"
)

func TestEventFromAPageOfAnotherSiteIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"a host added":         {func(r *http.Request) { r.Host = "webhookd.example" }, http.StatusAccepted},
		"a name that is bound": {func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
		"a page":               {set("Origin", "https://evil.example"), http.StatusForbidden},
		"a page of its host":   {set("Origin", "https://webhookd.example"), http.StatusAccepted},
	} {
		s := start(t, &recorder{}, func(s *Server) {
			var err error
			s.Server, err = httpserver.New(settings(config.Ingest{Listen: "127.0.0.1:0", AllowedHosts: []string{"webhookd.example"}}), s, s.log)
			require.NoError(t, err)
		})
		r := s.request(t, strings.NewReader(event("e-1")))
		c.change(r)
		got := s.send(t, r)
		require.Equal(t, c.status, got.status, "%s: %s", name, got.body)
		require.Equal(t, c.status == http.StatusAccepted, len(s.router.calls()) == 1, name)
	}
}
