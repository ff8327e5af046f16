package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxmq/webhookd/config"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// proxyTest names the environment variable that makes a test process a mere deliverOnce: net/http reads the proxy of
// the environment once in a process.
const proxyTest = "WEBHOOKD_PROXY_TEST"

func TestProxyOfTheEnvironmentIsUsed(t *testing.T) {
	var requests []received
	proxy := serve(t, record(&requests))

	require.Equal(t, "delivered <nil>", deliverThrough(t, proxy.URL, ""))

	require.Len(t, requests, 1)
	require.Equal(t, "http://receiver.invalid/hook", requests[0].address)
}

const basicOfUser = "Basic dXNlcjp0b3BzZWNyZXQ=" // user:topsecret

func TestProxyOfAnHTTPEndpointGetsItsRequests(t *testing.T) {
	var requests []received
	proxy := serve(t, record(&requests))
	endpoint := endpointAt("http://receiver.example/hook")
	endpoint.Proxy = config.Secret("http://user:topsecret@" + proxy.Listener.Addr().String())

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, "http://receiver.example/hook", requests[0].address)
	require.Equal(t, []string{basicOfUser}, requests[0].header["Proxy-Authorization"])
}

func TestProxyOfAnHTTPSEndpointMakesATunnel(t *testing.T) {
	ca, receivers := newAuthority(t), make(chan http.Header, 1)
	server := secureServer(t, serverTLS(t, ca), func(_ http.ResponseWriter, r *http.Request) { receivers <- r.Header })
	proxyCertificate := ca.issue(t, "proxy.example")
	target := server.Listener.Addr().String()

	plain := &tunnels{}
	plainServer := httptest.NewServer(plain)
	t.Cleanup(plainServer.Close)
	secured := &tunnels{}
	securedServer := httptest.NewUnstartedServer(secured)
	securedServer.TLS = &tls.Config{Certificates: []tls.Certificate{proxyCertificate.pair(t)}}
	securedServer.StartTLS()
	t.Cleanup(securedServer.Close)
	socks := &tunnels{}

	for name, c := range map[string]struct {
		proxy *tunnels
		url   string
		asked string
	}{
		"http":   {plain, "http://user:topsecret@" + plainServer.Listener.Addr().String(), "CONNECT " + target + " " + basicOfUser},
		"https":  {secured, "https://user:topsecret@" + securedServer.Listener.Addr().String(), "CONNECT " + target + " " + basicOfUser},
		"socks5": {socks, "socks5://user:topsecret@" + socks.serveSOCKS(t), "user:topsecret " + target},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt(server.URL)
			endpoint.Proxy = config.Secret(c.url)
			endpoint.TLS.CAFile = writeNew(t, ca.pem())
			endpoint.TLS.ServerName = "receiver.example" // which the proxy's certificate does not say
			client := newClient(t, endpoint)

			outcome := client.sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
			require.Equal(t, []string{c.asked}, c.proxy.all())
			require.NotContains(t, <-receivers, "Proxy-Authorization")
			client.Close() // so that the tunnel ends
		})
	}
}

func TestSOCKSProxyServesPlainHTTPToo(t *testing.T) {
	server, socks := serve(t, discard), &tunnels{}
	endpoint := endpointAt(server.URL)
	endpoint.Proxy = config.Secret("socks5://user:topsecret@" + socks.serveSOCKS(t))
	client := newClient(t, endpoint)

	outcome := client.sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, []string{"user:topsecret " + server.Listener.Addr().String()}, socks.all())
	client.Close()
}

func TestProxyThatRefusesIsAwayAndShowsNoCredentials(t *testing.T) {
	echo := "HTTP/1.1 %s user:topsecret " + strings.Repeat("x", 2000) + "\r\n\r\n"
	refused := closedPort(t)
	for name, c := range map[string]struct{ scheme, answer, text, advice string }{
		"credentials":      {"http", fmt.Sprintf(echo, "407"), "407 (Proxy Authentication Required)", "the user and the password in proxy"},
		"no such host":     {"http", fmt.Sprintf(echo, "502"), "502 (Bad Gateway)", "what the proxy permits"},
		"no HTTP":          {"http", "user:topsecret " + strings.Repeat("x", 100) + "\r\n\r\n", "not valid HTTP", "check url, proxy"},
		"malformed header": {"http", "HTTP/1.1 200 OK\r\nuser topsecret\r\n\r\n", "not valid HTTP", "check url, proxy"},
		"nothing":          {"http", "\r\n", "not valid HTTP", "check url, proxy"},
		"no TLS":           {"https", "HTTP/1.1 400 Bad Request\r\n\r\n", "proxyconnect", "check proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := &tunnels{answer: c.answer}
			server := httptest.NewServer(proxy)
			t.Cleanup(server.Close)
			endpoint := endpointAt("https://receiver.example/topsecret")
			endpoint.Proxy = config.Secret(c.scheme + "://user:topsecret@" + server.Listener.Addr().String())

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			requireAway(t, outcome)
			require.ErrorContains(t, outcome.Err, c.text)
			require.NotContains(t, outcome.Err.Error(), "topsecret")
			require.LessOrEqual(t, len(outcome.Err.Error()), maxErrorBytes+len("…"))
			require.Contains(t, Advice(outcome), c.advice)
		})
	}
	for _, scheme := range []string{"http", "https", "socks5"} {
		endpoint := endpointAt("https://receiver.example/topsecret")
		endpoint.Proxy = config.Secret(scheme + "://user:topsecret@" + refused)

		outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

		requireAway(t, outcome)
		require.NotContains(t, outcome.Err.Error(), "topsecret")
		require.Contains(t, Advice(outcome), "check proxy")
	}
}

func TestProxyThatSpeaksNoSOCKSIsAway(t *testing.T) {
	proxy := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "user:topsecret\r\n\r\n")
	})
	endpoint := endpointAt("http://receiver.example")
	endpoint.Proxy = config.Secret(strings.Replace(proxy, "http://", "socks5://user:topsecret@", 1))

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "socks connect")
	require.NotContains(t, outcome.Err.Error(), "topsecret")
	require.Contains(t, Advice(outcome), "check proxy")
}

func TestProxyThatIsNotTrustedIsAway(t *testing.T) {
	proxy := secureServer(t, serverTLS(t, newAuthority(t)), discard)
	endpoint := endpointAt("http://receiver.example")
	endpoint.Proxy = config.Secret(proxy.URL)

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "certificate")
	require.Contains(t, Advice(outcome), "check proxy")
}

func TestProxyThatIsNoneIsAProblemOfItsKey(t *testing.T) {
	for _, proxy := range []config.Secret{"topsecret.example:3128", "ftp://topsecret.example", "http://", "http://topsecret\n", "none"} {
		endpoint := endpointAt("http://receiver.example")
		endpoint.Proxy = proxy

		problems := keyErrors(t, endpoint)

		require.Contains(t, problems["proxy"], "socks5://HOST:PORT")
		require.NotContains(t, problems["proxy"], "topsecret")
	}
}

func TestDirectUsesNoProxyWhateverTheEnvironmentSays(t *testing.T) {
	var requests []received
	proxy := serve(t, record(&requests))

	require.Contains(t, deliverThrough(t, proxy.URL, config.ProxyDirect), "away")

	require.Empty(t, requests)
}

func TestProxyOfTheEnvironmentThatCannotBeUsedIsAProblemOfTheKey(t *testing.T) {
	t.Setenv("REQUEST_METHOD", "GET")

	result := deliverThrough(t, "http://user:topsecret@proxy", "")

	require.Contains(t, result, "proxy: says nothing, and the environment's proxy can't be used")
	require.NotContains(t, result, "topsecret")
}

// deliverThrough makes a delivery in a process whose environment names the proxy, and returns what became of it.
func deliverThrough(t *testing.T, proxy string, setting config.Secret) string {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), proxyTest+"="+cmp.Or(string(setting), "environment"), "HTTP_PROXY="+proxy, "http_proxy="+proxy)
	output, err := process.CombinedOutput()
	require.NoError(t, err, "%s", output)
	_, result, _ := strings.Cut(string(output), "result: ")
	result, _, _ = strings.Cut(result, "\n")
	return result
}

func deliverOnce() {
	endpoint := endpointAt("http://receiver.invalid/hook")
	if os.Getenv(proxyTest) == config.ProxyDirect {
		endpoint.Proxy = config.ProxyDirect
	}
	client, err := New(endpoint, quiet)
	if err != nil {
		fmt.Println("result:", err)
		return
	}
	defer client.Close()
	outcome := client.sendEvent(context.Background(), messages.NewEnvelope(&messages.AuthSuccess{ClientID: "publisher-1"}))
	fmt.Println("result:", outcome.Kind, outcome.Err)
}

func TestProxyWithoutAPortIsDialledAtThatOfItsScheme(t *testing.T) {
	for proxy, want := range map[string]string{
		"http://proxy.example": "proxy.example:80", "https://proxy.example": "proxy.example:443",
		"https://proxy.example:8443": "proxy.example:8443", "https://[2001:db8::1]": "[2001:db8::1]:443", "socks5://proxy.example": "proxy.example:1080",
	} {
		for _, url := range []string{"http://receiver.example", "https://receiver.example"} {
			endpoint := endpointAt(url)
			endpoint.Proxy = config.Secret(proxy)
			client := newClient(t, endpoint)
			var dialled []string
			client.dialWith(func(_ context.Context, _, address string) (net.Conn, error) {
				dialled = append(dialled, address)
				return nil, errors.New("no network")
			})

			requireAway(t, client.sendEvent(t.Context(), newEvent(t, 0)))

			require.Equal(t, []string{want}, dialled, "%s to %s", proxy, url)
		}
	}
}
