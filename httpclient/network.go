package httpclient

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/fluxmq/webhookd/config"
)

// network is how an endpoint's requests get to it, and what changes of them without being the event's.
type network struct {
	dialer      *guardedDialer
	connections *connections
	tokens      tokens // nil: the requests carry none, or one that never changes
}

// newNetwork reads the files of tls and auth, and dials nobody. It fails with KeyErrors, joined.
func newNetwork(endpoint config.Endpoint, target *url.URL, log *slog.Logger) (*network, error) {
	guard, guardErr := newEgressGuard(endpoint.Egress)
	dialer := &guardedDialer{guard: guard, timeout: endpoint.Timeout}
	way, wayErr := newRoute(endpoint, dialer, target)
	identity, identityErr := newTLSIdentity(endpoint.TLS, log)
	var tokens tokens
	var tokensErr error
	if identityErr == nil {
		tokens, tokensErr = newTokens(endpoint, dialer, identity, log)
	}
	if err := errors.Join(guardErr, wayErr, identityErr, tokensErr); err != nil {
		return nil, err
	}
	open := func(identity *tlsIdentity) *http.Transport {
		return way.newTransport(identity.toEndpoint(endpoint.TLS), identity.toOthers(endpoint.TLS))
	}
	return &network{dialer, newConnections(identity, open), tokens}, nil
}

func (n *network) close() {
	if n.tokens != nil {
		n.tokens.close()
	}
	n.connections.closeIdle()
}
