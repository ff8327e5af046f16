package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

const (
	maxScopes = 100
	maxParams = 100
)

// ownParams are set by the client credentials grant itself (RFC 6749 §4.4.2, §2.3.1).
var ownParams = []string{"client_id", "client_secret", "grant_type", "scope"}

func (f *findings) checkAuth(path string, a Auth) {
	if kinds := a.kinds(); len(kinds) > 1 {
		f.report(path, "says %s: one of them is allowed", strings.Join(kinds, " and "))
	}
	if a.Basic != nil {
		f.checkBasic(path+".basic", *a.Basic)
	}
	f.checkBearer(path+".bearer", string(a.Bearer))
	f.checkPath(path+".bearer_file", a.BearerFile)
	if a.OAuth2 != nil {
		f.checkOAuth2(path+".oauth2", *a.OAuth2)
	}
}

// kinds are the keys that are set.
func (a Auth) kinds() []string {
	var kinds []string
	for _, kind := range []struct {
		key string
		set bool
	}{
		{"basic", a.Basic != nil}, {"bearer", a.Bearer != ""}, {"bearer_file", a.BearerFile != ""}, {"oauth2", a.OAuth2 != nil},
	} {
		if kind.set {
			kinds = append(kinds, kind.key)
		}
	}
	return kinds
}

// authenticates tells whether requests prove anything by it.
func (a *Auth) authenticates() bool { return a != nil && len(a.kinds()) > 0 }

func (f *findings) checkBasic(path string, b Basic) {
	switch {
	case b.Username == "" && b.Password == "":
		f.report(path, "needs username, password or both")
	case strings.Contains(b.Username, ":"):
		f.report(path+".username", "has a colon, which ends a username (RFC 7617 §2)")
	case strings.ContainsFunc(b.Username, unicode.IsControl):
		f.report(path+".username", "has a control character (RFC 7617 §2)")
	}
	if strings.ContainsFunc(string(b.Password), unicode.IsControl) {
		f.report(path+".password", "has a control character (RFC 7617 §2)")
	}
	f.checkBytes(path+".username", b.Username, maxTextBytes)
	f.checkBytes(path+".password", string(b.Password), MaxSecretFileBytes)
}

// checkBearer takes all visible ASCII: tokens with more characters than RFC 6750 §2.1 has are in use.
func (f *findings) checkBearer(path, token string) {
	f.checkBytes(path, token, MaxSecretFileBytes)
	if strings.ContainsFunc(token, isInvisible) {
		f.report(path, `has a space or another character that no token has: write it without "Bearer" (RFC 6750 §2.1)`)
	}
}

// isInvisible tells that the character is no VSCHAR but a space, or none of ASCII (RFC 6749 appendix A).
func isInvisible(r rune) bool { return r <= ' ' || r >= 0x7f }

func (f *findings) checkOAuth2(path string, o OAuth2) {
	f.checkTokenURL(path+".token_url", o.TokenURL)
	f.checkCredential(path+".client_id", o.ClientID)
	f.checkCredential(path+".client_secret", string(o.ClientSecret))
	f.checkCount(path+".scopes", len(o.Scopes), maxScopes)
	for i, scope := range o.Scopes {
		if scope == "" || len(scope) > maxTextBytes || strings.ContainsFunc(scope, isNoScope) {
			f.report(joinIndex(path+".scopes", i), "is %s, which is no scope (RFC 6749 §3.3): write each as an item of the list", quote(scope))
		}
	}
	f.checkParams(path+".params", o.Params)
}

func isNoScope(r rune) bool { return isInvisible(r) || r == '"' || r == '\\' }

func (f *findings) checkCredential(path, text string) {
	switch {
	case text == "":
		f.report(path, "is required")
	case strings.ContainsFunc(text, unicode.IsControl):
		f.report(path, "has a control character (RFC 6749 appendix A)")
	}
	f.checkBytes(path, text, MaxSecretFileBytes)
}

func (f *findings) checkParams(path string, params map[string]Secret) {
	f.checkCount(path, len(params), maxParams)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch {
		case name == "":
			f.report(path, "has a parameter without a name")
		case slices.Contains(ownParams, name):
			f.report(joinKey(path, name), "is a parameter that webhookd itself sets")
		}
		f.checkBytes(path, name, maxTextBytes)
		f.checkBytes(joinKey(path, name), string(params[name]), MaxSecretFileBytes)
	}
}

// checkTokenURL lets no client secret cross a network in the clear (RFC 6749 §3.2).
func (f *findings) checkTokenURL(path, text string) {
	f.checkURL(path, text)
	address, err := url.Parse(text)
	switch {
	case err != nil:
	case address.User != nil:
		f.report(path, "has a user: write client_id and client_secret")
	case address.Scheme == "http" && !isLoopback(address.Hostname()):
		f.report(path, "must begin with https://, because the client secret goes there; http:// is for loopback addresses only")
	}
}
