package httpclient

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// withTokensFrom makes the endpoint fetch its tokens there.
func withTokensFrom(endpoint config.Endpoint, url string) config.Endpoint {
	endpoint.Auth = &config.Auth{OAuth2: &config.OAuth2{TokenURL: url, ClientID: "client", ClientSecret: "topsecret"}}
	return endpoint
}

func TestTokenServerIsTrustedAsTheEndpointButIsNone(t *testing.T) {
	ca := newAuthority(t)
	presented := make(chan int, 1)
	settings := serverTLS(t, ca)
	settings.ClientAuth = tls.RequestClientCert
	tokenServer := secureServer(t, settings, func(w http.ResponseWriter, r *http.Request) {
		presented <- len(r.TLS.PeerCertificates)
		expiring(3600)(w, r, 1)
	})
	receiver := secureServer(t, mutualTLS(t, ca), discard)
	endpoint := withTokensFrom(endpointAt(receiver.URL), tokenServer.URL)
	endpoint.TLS = config.TLS{CAFile: writeNew(t, ca.pem()), ServerName: "receiver.example"}
	ca.issue(t, "webhookd").files(t, &endpoint.TLS)

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Zero(t, <-presented)
}

func TestTokenServerWithTheNameOfTheEndpointIsNotTrusted(t *testing.T) {
	ca := newAuthority(t)
	tokenServer := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "receiver.example", withoutAddress).pair(t)}},
		func(w http.ResponseWriter, r *http.Request) { expiring(3600)(w, r, 1) })
	endpoint := withTokensFrom(endpointAt("https://receiver.example"), tokenServer.URL)
	endpoint.TLS = config.TLS{CAFile: writeNew(t, ca.pem()), ServerName: "receiver.example"}

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "certificate")
	require.Contains(t, Advice(outcome), "tls.ca_file")
}

func TestTokenServerAtADeniedAddressIsAway(t *testing.T) {
	var requests []received
	receiver := serve(t, record(&requests))
	endpoint := withTokensFrom(endpointAt(receiver.URL), "http://169.254.169.254/topsecret")

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome) // its events wait: nothing is wrong with them
	require.ErrorAs(t, outcome.Err, new(*DeniedError))
	require.NotContains(t, outcome.Err.Error(), "topsecret")
	require.Contains(t, Advice(outcome), "egress.allow")
	require.Empty(t, requests)
}

func TestTokensAreFetchedThroughTheProxy(t *testing.T) {
	ca := newAuthority(t)
	tokenServer := secureServer(t, serverTLS(t, ca), func(w http.ResponseWriter, r *http.Request) { expiring(3600)(w, r, 1) })
	receiver := secureServer(t, serverTLS(t, ca), discard)
	proxy := &tunnels{}
	proxyServer := httptest.NewServer(proxy)
	t.Cleanup(proxyServer.Close)
	endpoint := withTokensFrom(endpointAt(receiver.URL), tokenServer.URL)
	endpoint.TLS.CAFile = writeNew(t, ca.pem())
	endpoint.Proxy = config.Secret("http://user:topsecret@" + proxyServer.Listener.Addr().String())
	client := newClient(t, endpoint)

	outcome := client.sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, []string{
		"CONNECT " + tokenServer.Listener.Addr().String() + " " + basicOfUser,
		"CONNECT " + receiver.Listener.Addr().String() + " " + basicOfUser,
	}, proxy.all())
	client.Close() // so that the tunnels end
}

func TestTokenServerThatIsNoAddressIsAProblemOfItsKey(t *testing.T) {
	problems := keyErrors(t, withTokensFrom(endpointAt("http://receiver.example"), "topsecret\n"))

	require.Equal(t, map[string]string{"auth.oauth2.token_url": "is no absolute http or https address"}, problems)
}

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
	server := serve(f, func(w http.ResponseWriter, _ *http.Request) { (*answer.Load())(w) })
	f.Fuzz(func(t *testing.T, status uint16, contentType, body string) {
		answer.Store(new(func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(200 + int(status)%400)
			_, _ = io.WriteString(w, body)
		}))
		tokens := newClient(t, withTokensFrom(endpointAt(server.URL), server.URL)).network.tokens

		fetched, err := tokens.token(t.Context(), time.Now().Add(5*time.Second))

		if err != nil {
			require.NotContains(t, err.Error(), "topsecret")
			require.Less(t, len(err.Error()), 2*maxErrorBytes)
			require.Regexp(t, "^[\\x20-\\x7e§]*$", err.Error())
			return
		}
		require.True(t, httpguts.ValidHeaderFieldValue(fetched.authorization))
		require.Equal(t, fetched.end.IsZero(), fetched.renew.IsZero())
		require.False(t, fetched.renew.After(fetched.end))
	})
}
