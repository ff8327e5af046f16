package network

import (
	"context"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fluxmq/webhookd/config"
)

const (
	minRenewalMargin = 10 * time.Second // before a token's end, where it lives long enough
	minTokenLife     = time.Second      // so that a server whose tokens never live is not asked without end
	renewalRetry     = 5 * time.Second  // after a renewal that failed while the token still lasts
)

// oauth2Tokens fetches tokens by the client credentials grant (RFC 6749 §4.4). All workers share one token; it is
// fetched once at a time, and anew a tenth of its life before it ends, but at least ten seconds or half of its life.
// Meanwhile it stays in use.
type oauth2Tokens struct {
	settings clientcredentials.Config // without a style
	server   tokenServer
	timeout  time.Duration
	life     context.Context // of the fetches
	end      context.CancelFunc
	fetches  sync.WaitGroup

	mutex    sync.Mutex
	current  *Token
	fetching *tokenFetch      // nil: nobody fetches
	style    oauth2.AuthStyle // by which the server took our credentials; auto-detect: not known yet
}

// tokenFetch is one fetch, for which any number of attempts wait.
type tokenFetch struct {
	done  chan struct{} // closed at its end, when the fields below are set
	token *Token
	err   error
}

func newOAuth2Tokens(
	endpoint config.Endpoint, dialer *Dialer, identity *reloading[tlsIdentity],
) (*oauth2Tokens, error) {
	settings := endpoint.Auth.OAuth2
	server, err := newTokenServer(endpoint, dialer, identity)
	if err != nil {
		return nil, err
	}
	params := url.Values{}
	for name, value := range settings.Params {
		params.Set(name, string(value))
	}
	life, end := context.WithCancel(context.Background())
	return &oauth2Tokens{
		settings: clientcredentials.Config{
			ClientID:       settings.ClientID,
			ClientSecret:   string(settings.ClientSecret),
			TokenURL:       settings.TokenURL,
			Scopes:         settings.Scopes,
			EndpointParams: params,
		},
		server:  server,
		timeout: endpoint.Timeout,
		life:    context.WithValue(life, oauth2.HTTPClient, server.client()),
		end:     end,
	}, nil
}

func (o *oauth2Tokens) Token(ctx context.Context, deadline time.Time) (*Token, error) {
	held, fetch := o.heldOrFetch(time.Now())
	if held != nil {
		return held, nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case <-fetch.done:
		return fetch.token, fetch.err
	case <-ctx.Done():
		return nil, &TokenError{err: errTokenTimeout}
	}
}

func (o *oauth2Tokens) Replace(ctx context.Context, deadline time.Time, refused *Token) (*Token, error) {
	o.drop(refused)
	return o.Token(ctx, deadline)
}

// drop forgets a token, unless a newer one is there: of many attempts that were refused with it, one drops it.
func (o *oauth2Tokens) drop(refused *Token) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.current == refused {
		o.current = nil
	}
}

// heldOrFetch is a token that lasts, or else the fetch to wait for.
func (o *oauth2Tokens) heldOrFetch(now time.Time) (*Token, *tokenFetch) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.current.due(now) && o.fetching == nil {
		o.beginFetch()
	}
	if o.current.lasts(now) {
		return o.current, nil
	}
	return nil, o.fetching
}

func (o *oauth2Tokens) beginFetch() {
	fetch := &tokenFetch{done: make(chan struct{})}
	o.fetching = fetch
	style := o.style
	o.fetches.Go(func() {
		fetch.token, style, fetch.err = o.fetch(style)
		o.endFetch(fetch, style)
		close(fetch.done)
	})
}

func (o *oauth2Tokens) endFetch(fetch *tokenFetch, style oauth2.AuthStyle) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.fetching, o.style = nil, style
	switch {
	case fetch.err == nil:
		o.current = fetch.token
	case o.current != nil:
		o.current.renew = time.Now().Add(renewalRetry)
	}
}

// fetch asks the server for a token, and tells by which style it took our credentials.
func (o *oauth2Tokens) fetch(style oauth2.AuthStyle) (*Token, oauth2.AuthStyle, error) {
	ctx, cancel := context.WithTimeout(o.life, o.timeout)
	defer cancel()
	begun, settings := time.Now(), o.settings
	settings.AuthStyle = style
	if style == oauth2.AuthStyleAutoDetect {
		settings.AuthStyle = oauth2.AuthStyleInHeader // RFC 6749 §2.3.1: what every server has to know
	}
	answer, err := settings.Token(ctx)
	if style == oauth2.AuthStyleAutoDetect && refusesCredentials(err) {
		settings.AuthStyle = oauth2.AuthStyleInParams // what some servers know only
		answer, err = settings.Token(ctx)
	}
	if err != nil {
		return nil, style, newTokenError(err, o.settings)
	}
	fetched, err := newToken(answer, begun)
	return fetched, settings.AuthStyle, err
}

func (o *oauth2Tokens) close() {
	o.end()
	o.fetches.Wait()
	o.server.connections.closeIdle()
}

// due tells whether it is time for another token.
func (t *Token) due(now time.Time) bool {
	return t == nil || !t.renew.IsZero() && !now.Before(t.renew)
}

func (t *Token) lasts(now time.Time) bool {
	return t != nil && (t.end.IsZero() || now.Before(t.end))
}

func newToken(answer *oauth2.Token, begun time.Time) (*Token, error) {
	fetched := &Token{Authorization: answer.Type() + " " + answer.AccessToken}
	if !httpguts.ValidHeaderFieldValue(fetched.Authorization) {
		return nil, &TokenError{err: errTokenUnusable}
	}
	if !answer.Expiry.IsZero() {
		life := max(answer.Expiry.Sub(begun), minTokenLife)
		fetched.end = begun.Add(life)
		fetched.renew = fetched.end.Add(-min(max(life/10, minRenewalMargin), life/2))
	}
	return fetched, nil
}
