package network

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/config"
)

func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []struct {
		status            uint16
		contentType, body string
	}{
		{200, "application/json", `{"access_token":"token-1","token_type":"bearer","expires_in":3600}`},
		{200, "application/x-www-form-urlencoded", "access_token=token-1&expires_in=5"},
		{400, "application/json", `{"error":"invalid_client","error_description":"topsecret"}`},
		{401, "text/plain", "error=topsecret"},
		{200, "application/json", `{"access_token":"a\r\nb","token_type":"\u0000","expires_in":"-1"}`},
		{500, "", ""},
	} {
		f.Add(seed.status, seed.contentType, seed.body)
	}
	var answer atomic.Pointer[func(http.ResponseWriter)]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { (*answer.Load())(w) }))
	f.Cleanup(server.Close)
	endpoint := endpointAt(server.URL)
	endpoint.Auth = &config.Auth{OAuth2: &config.OAuth2{TokenURL: server.URL, ClientID: "client", ClientSecret: "topsecret"}}
	f.Fuzz(func(t *testing.T, status uint16, contentType, body string) {
		answer.Store(new(func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(200 + int(status)%400)
			_, _ = io.WriteString(w, body)
		}))
		tokens := newNetwork(t, endpoint).Tokens()

		fetched, err := tokens.Token(t.Context(), time.Now().Add(5*time.Second))

		if err != nil {
			require.NotContains(t, err.Error(), "topsecret")
			require.Less(t, len(err.Error()), 2*maxErrorBytes)
			require.Regexp(t, "^[\\x20-\\x7e§]*$", err.Error())
			return
		}
		require.True(t, httpguts.ValidHeaderFieldValue(fetched.Authorization))
		require.Equal(t, fetched.end.IsZero(), fetched.renew.IsZero())
		require.False(t, fetched.renew.After(fetched.end))
	})
}
