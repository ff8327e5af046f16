package config

import (
	"net/url"
	"strings"
)

// checkIdentity checks that a request says once who sends it.
func (f *findings) checkIdentity(r relations) {
	if !r.resolved.Auth.authenticates() {
		return
	}
	for _, name := range headerNames(r.resolved.Headers) {
		if !strings.EqualFold(name, "Authorization") {
			continue
		}
		_, given := r.given.Headers[name]
		f.blame(
			candidate{given, joinKey(r.deliveryPath+".headers", name),
				"is what auth sets: use one of them (an endpoint's auth: {} switches off that of defaults)"},
			candidate{r.given.Auth != nil, r.deliveryPath + ".auth",
				"sets the header Authorization, which defaults.headers has too: use one of them"},
		)
	}
}

func hasUser(text string) bool {
	address, err := url.Parse(text)
	return err == nil && address.User != nil
}

// usesTLS tells whether anything that the endpoint's requests need is spoken with by TLS, as far as its configuration
// says: the endpoint, its proxy, what its tokens come from. Of a dump's proxy nothing is known.
func (e Endpoint) usesTLS() bool {
	return isSecure(e.URL) || isSecure(string(e.Proxy)) || e.Proxy == redacted ||
		e.Auth != nil && e.Auth.OAuth2 != nil && isSecure(e.Auth.OAuth2.TokenURL)
}

func isSecure(text string) bool { return hasScheme(text, "https") }

func hasScheme(text, scheme string) bool {
	address, err := url.Parse(text)
	return err == nil && address.Scheme == scheme
}
