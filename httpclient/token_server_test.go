package httpclient

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/network"
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
	require.ErrorAs(t, outcome.Err, new(*network.DeniedError))
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
