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
	minFetchWait     = time.Second      // after a fetch that failed; doubled with each that fails again
	maxFetchWait     = 30 * time.Second
)

// oauth2Tokens fetches tokens by the client credentials grant (RFC 6749 §4.4). All workers share one token; it is
// fetched once at a time, and anew a tenth of its life before it ends, but at least ten seconds or half of its life.
// Meanwhile it stays in use. After a fetch that failed nobody asks for a while, and all are told why it failed.
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
	failed   *tokenFetch      // the latest, where it failed; nil: it did not, or there was none
	failures int              // in a row
	notUntil time.Time        // no fetch begins before
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
	if o.current.due(now) && o.fetching == nil && !now.Before(o.notUntil) {
		o.beginFetch()
	}
	switch {
	case o.current.lasts(now):
		return o.current, nil
	case o.fetching == nil:
		return nil, o.failed
	}
	return nil, o.fetching
}

func (o *oauth2Tokens) beginFetch() {
	fetch := &tokenFetch{done: make(chan struct{})}
	o.fetching = fetch
	styles := o.styles()
	o.fetches.Go(func() {
		var style oauth2.AuthStyle
		fetch.token, style, fetch.err = o.fetch(styles)
		o.endFetch(fetch, style, time.Now())
		close(fetch.done)
	})
}

// styles are those by which to show our credentials, until one is taken: first as every server has to know (RFC 6749
// §2.3.1), then as some servers know only. Where neither was taken once, each fetch tries one, in turn.
func (o *oauth2Tokens) styles() []oauth2.AuthStyle {
	both := []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams}
	switch {
	case o.style != oauth2.AuthStyleAutoDetect:
		return []oauth2.AuthStyle{o.style}
	case o.failures > 0:
		return both[(o.failures-1)%2:][:1]
	}
	return both
}

func (o *oauth2Tokens) endFetch(fetch *tokenFetch, style oauth2.AuthStyle, now time.Time) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.fetching = nil
	if fetch.err != nil {
		wait := min(minFetchWait<<min(o.failures, 10), maxFetchWait)
		if o.current.lasts(now) {
			wait = max(wait, renewalRetry)
		}
		o.failed, o.failures, o.notUntil = fetch, o.failures+1, now.Add(wait)
		return
	}
	o.current, o.style = fetch.token, style
	o.failed, o.failures, o.notUntil = nil, 0, time.Time{}
}

// fetch asks the server for a token, and tells by which style it took our credentials.
func (o *oauth2Tokens) fetch(styles []oauth2.AuthStyle) (*Token, oauth2.AuthStyle, error) {
	ctx, cancel := context.WithTimeout(o.life, o.timeout)
	defer cancel()
	begun, settings := time.Now(), o.settings
	var answer *oauth2.Token
	var err error
	for _, settings.AuthStyle = range styles {
		if answer, err = settings.Token(ctx); !refusesCredentials(err) {
			break
		}
	}
	if err != nil {
		return nil, oauth2.AuthStyleAutoDetect, newTokenError(err, o.settings)
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
