package httpclient

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// secureServer answers with a certificate of its own.
func secureServer(t *testing.T, settings *tls.Config, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of every refused handshake
	server.TLS = settings
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func discard(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func TestAuthorityOfTheConfigurationIsTrusted(t *testing.T) {
	ca := newAuthority(t)
	server := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)}}, discard)
	endpoint := endpointAt(server.URL)
	endpoint.TLS.CAFile = writeNew(t, ca.pem())

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
}

func TestHTTP2IsSpokenWithTLSSettings(t *testing.T) {
	ca, protocols := newAuthority(t), make(chan string, 1)
	server := secureServer(t, &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    ca.pool(),
	}, func(_ http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto + " of " + r.TLS.PeerCertificates[0].Subject.CommonName
	})
	endpoint := endpointAt(server.URL)
	endpoint.TLS = config.TLS{CAFile: writeNew(t, ca.pem()), MinVersion: "1.3", ServerName: "receiver.example"}
	ca.issue(t, "webhookd").files(t, &endpoint.TLS)

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, "HTTP/2.0 of webhookd", <-protocols)
}

func TestServerNameIsWhatTheCertificateHasToSay(t *testing.T) {
	ca, names := newAuthority(t), make(chan string, 1)
	server := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)}},
		func(_ http.ResponseWriter, r *http.Request) { names <- r.TLS.ServerName })
	endpoint := endpointAt(strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
	endpoint.TLS.CAFile = writeNew(t, ca.pem())

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))
	requireAway(t, outcome)
	require.Contains(t, Advice(outcome), "tls.server_name")

	endpoint.TLS.ServerName = "receiver.example"
	outcome = newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))
	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, "receiver.example", <-names)
}

func TestServerThatIsNotTrustedIsAway(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for name, c := range map[string]struct {
		server *tls.Config
		trust  *authority
		tls    config.TLS
		advice string
	}{
		"another authority": {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a").pair(t)}}, other, config.TLS{}, "tls.ca_file"},
		"expired":           {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a", expired).pair(t)}}, ca, config.TLS{}, "out of date"},
		"another name": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a").pair(t)}}, ca, config.TLS{ServerName: "b"}, "tls.server_name",
		},
		"many other names": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a", withManyNames).pair(t)}}, ca, config.TLS{ServerName: "b"},
			"tls.server_name",
		},
		"TLS 1.2 where 1.3 is wanted": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a").pair(t)}, MaxVersion: tls.VersionTLS12}, ca,
			config.TLS{MinVersion: "1.3"}, "tls.min_version",
		},
		"TLS 1.1": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a").pair(t)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			ca, config.TLS{}, "tls.min_version",
		},
		"TLS 1.1 where 1.3 is wanted": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "a").pair(t)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			ca, config.TLS{MinVersion: "1.3"}, "tls.min_version",
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt(secureServer(t, c.server, discard).URL)
			endpoint.TLS = c.tls
			endpoint.TLS.CAFile = writeNew(t, c.trust.pem())

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			requireAway(t, outcome)
			require.Contains(t, Advice(outcome), c.advice)
			require.LessOrEqual(t, len(outcome.Err.Error()), maxErrorBytes+len("…"))
		})
	}
}

func TestClientCertificateThatIsRefusedIsAway(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for name, own := range map[string]*issued{
		"none":              nil,
		"expired":           new(ca.issue(t, "webhookd", expired)),
		"another authority": new(other.issue(t, "webhookd")),
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, protocols := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
				t.Run(fmt.Sprint(name, ", ", tls.VersionName(version), ", ", protocols[0]), func(t *testing.T) {
					server := secureServer(t, &tls.Config{
						Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)},
						ClientAuth:   tls.RequireAndVerifyClientCert,
						ClientCAs:    ca.pool(),
						MaxVersion:   version,
						NextProtos:   protocols,
					}, discard)
					endpoint := endpointAt(server.URL)
					endpoint.TLS.CAFile = writeNew(t, ca.pem())
					if own != nil {
						own.files(t, &endpoint.TLS)
					}

					outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

					requireAway(t, outcome)
					require.Contains(t, Advice(outcome), "tls.cert_file")
				})
			}
		}
	}
}
