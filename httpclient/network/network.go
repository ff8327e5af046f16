package network

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
)

// Network is how an endpoint's requests get to it. Any number of goroutines may use it; with more than the endpoint's
// workers, some wait for a connection.
type Network struct {
	dialer      *Dialer
	proxy       *url.URL // nil: none
	connections *connections
	tokens      Tokens
}

// New makes the network of an endpoint that has inherited all it can (config.Webhook.Resolve) and whose url is target. It
// reads the files of tls and auth, and dials nobody. It fails with a *config.KeyError for each key whose value is of no
// use, joined. The log is told of files that change later.
func New(endpoint config.Endpoint, target *url.URL, log *slog.Logger) (*Network, error) {
	guard, guardErr := newEgressGuard(endpoint.Egress)
	dialer := &Dialer{guard: guard, timeout: endpoint.Timeout}
	route, routeErr := newRoute(endpoint, dialer, target)
	identity, identityErr := newTLSIdentity(endpoint.TLS, log)
	var tokens Tokens
	var tokensErr error
	if identityErr == nil {
		tokens, tokensErr = newTokens(endpoint, dialer, identity, log)
	}
	if err := errors.Join(guardErr, routeErr, identityErr, tokensErr); err != nil {
		return nil, err
	}
	open := func(identity *tlsIdentity) *http.Transport {
		return route.newTransport(identity.toEndpoint(endpoint.TLS), identity.toOthers(endpoint.TLS))
	}
	return &Network{dialer, route.proxy, newConnections(identity, open), tokens}, nil
}

// Acquire gives the transport for one request and its answer; release it afterwards.
func (n *Network) Acquire() *Transport { return n.connections.acquire() }

// Tokens is nil where the requests carry none, or one that never changes.
func (n *Network) Tokens() Tokens { return n.tokens }

// Dialer makes all of the network's connections: to the endpoint, its proxy and its token server.
func (n *Network) Dialer() *Dialer { return n.dialer }

// Secrets are those that a proxy gets to see: in an answer of its own it may repeat them.
func (n *Network) Secrets() []string {
	if n.proxy == nil || n.proxy.User == nil {
		return nil
	}
	password, _ := n.proxy.User.Password()
	credentials := n.proxy.User.Username() + ":" + password
	return []string{password, base64.StdEncoding.EncodeToString([]byte(credentials))}
}

// Close closes the connections that are idle, and ends what fetches a token. Call it when no transport is in use.
func (n *Network) Close() {
	if n.tokens != nil {
		n.tokens.close()
	}
	n.connections.closeIdle()
}
