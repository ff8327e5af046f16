package network

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
)

const maxTokenBytes = 64 << 10 // of a token server's answer

var errNoTokenURL = errors.New("is no absolute http or https address")

// tokenServer is the transport of token requests. It gets out as the endpoint's requests do: through the same proxy and
// guard, and with trust in the same authorities; but without the server name and the client certificate, which are for
// the endpoint.
type tokenServer struct {
	connections *connections
}

func newTokenServer(
	endpoint config.Endpoint, dialer *Dialer, identity *reloading[tlsIdentity],
) (tokenServer, error) {
	target, err := url.Parse(endpoint.Auth.OAuth2.TokenURL)
	if err != nil || target.Host == "" {
		return tokenServer{}, &config.KeyError{Key: "auth.oauth2.token_url", Err: errNoTokenURL}
	}
	route, err := newRoute(endpoint, dialer, target)
	if err != nil {
		return tokenServer{}, err
	}
	route.connections = 1 // one fetch at a time
	return tokenServer{newConnections(identity, func(identity *tlsIdentity) *http.Transport {
		return route.newTransport(identity.toOthers(endpoint.TLS), identity.toOthers(endpoint.TLS))
	})}, nil
}

func (s tokenServer) client() *http.Client {
	return &http.Client{
		Transport:     s,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip reads the whole answer. Its errors show nothing of the answer, and nothing of the request.
func (s tokenServer) RoundTrip(request *http.Request) (*http.Response, error) {
	asked := request.Clone(request.Context())
	asked.Header.Set("User-Agent", UserAgent())
	transport := s.connections.acquire()
	defer transport.Release()
	answer, err := transport.RoundTrip(asked)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the token server's answer breaks off")
	case len(body) > maxTokenBytes:
		return nil, fmt.Errorf("the token server's answer has over %d bytes", maxTokenBytes)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
