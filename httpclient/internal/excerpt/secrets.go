package excerpt

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// minSecretBytes is how long a secret is at least that is looked for: what is shorter stands in any text by chance.
const minSecretBytes = 3

// Secrets are texts that an excerpt doesn't show, in the forms in which they are repeated. The longest come first. Nobody
// changes them.
type Secrets []string

// NewSecrets leaves out texts of less than 3 bytes.
func NewSecrets(texts ...string) Secrets { return Secrets(nil).With(texts...) }

// With is these secrets and others.
func (s Secrets) With(texts ...string) Secrets {
	all := slices.Clone(s)
	for _, text := range texts {
		if len(text) >= minSecretBytes {
			all = append(all, forms(text)...)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// forms are those in which a URL, JSON and HTML write the text.
func forms(text string) []string {
	quoted, _ := json.Marshal(text) // of a string it can't fail
	inJSON := strings.Trim(string(quoted), `"`)
	return []string{
		text, url.QueryEscape(text), url.PathEscape(text), html.EscapeString(text), inJSON,
		strings.ReplaceAll(inJSON, "/", `\/`),
	}
}

// Needed is how many bytes of a text there shall be, if it has so many: a secret on the edge is known by what comes behind it.
func (s Secrets) Needed() int {
	if len(s) == 0 {
		return MaxBytes + 1
	}
	return MaxBytes + len(s[0])
}

// In tells whether the text holds one of the secrets.
func (s Secrets) In(text string) bool {
	return slices.ContainsFunc(s, func(secret string) bool { return strings.Contains(text, secret) })
}

// at is the length of the secret with which the text begins, 0 where there is none. A text may end amid a secret.
func (s Secrets) at(text []byte) int {
	for _, secret := range s {
		if bytes.HasPrefix(text, []byte(secret)) {
			return len(secret)
		}
		if minSecretBytes <= len(text) && len(text) < len(secret) && secret[:len(text)] == string(text) {
			return len(text)
		}
	}
	return 0
}
