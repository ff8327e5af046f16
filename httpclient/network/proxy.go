package network

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
)

// proxyTo is the proxy on the way to an address, nil where there is none. Its errors do not show the proxy's address,
// which may hold a password.
func proxyTo(target *url.URL, setting config.Secret) (*url.URL, error) {
	switch setting {
	case config.ProxyDirect:
		return nil, nil
	case "":
		proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
		if err != nil {
			return nil, &config.KeyError{Key: "proxy", Err: errors.New("says nothing, and the environment's proxy can't be " +
				"used (HTTP_PROXY is ignored where REQUEST_METHOD is set): name the proxy here, or write direct")}
		}
		return proxy, nil
	}
	proxy, err := url.Parse(string(setting))
	if err != nil || proxy.Hostname() == "" || !isProxyScheme(proxy.Scheme) {
		return nil, &config.KeyError{Key: "proxy", Err: errors.New("is no address of a proxy: write http://HOST:PORT, " +
			"https://HOST:PORT or socks5://HOST:PORT, or direct for none")}
	}
	return proxy, nil
}

func isProxyScheme(scheme string) bool {
	return scheme == "http" || scheme == "https" || scheme == "socks5"
}

// useProxy makes the transport ask the proxy. TLS with the proxy is made here, since net/http would make it with the
// name and the certificate that are for the endpoint.
func (r route) useProxy(transport *http.Transport, toProxy *tls.Config) {
	proxy := *r.proxy
	if proxy.Scheme == "https" {
		if proxy.Port() == "" {
			proxy.Host = net.JoinHostPort(proxy.Hostname(), "443")
		}
		proxy.Scheme = "http"
		transport.DialContext = r.dialTLS(proxy.Hostname(), toProxy)
	}
	transport.Proxy = http.ProxyURL(&proxy)
	transport.OnProxyConnectResponse = refusedTunnel
}

func (r route) dialTLS(serverName string, config *tls.Config) DialFunc {
	config = config.Clone()
	config.ServerName = serverName
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := r.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

// proxyRefusal is the status with which a proxy refused to make a tunnel.
type proxyRefusal int

func (r proxyRefusal) Error() string {
	return "the proxy refused the tunnel: " + StatusText(int(r))
}

// refusedTunnel gives an error of the status alone: the rest of the answer may repeat the credentials of the request.
func refusedTunnel(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return proxyRefusal(answer.StatusCode)
}
