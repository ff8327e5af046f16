package httpclient

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/internal/excerpt"
)

// minPartBytes is how long a part of a header's value is at least that is a secret of its own.
const minPartBytes = 8

// shownHeaders say nothing that anybody keeps secret.
var shownHeaders = map[string]bool{"Accept": true, "Content-Type": true, "User-Agent": true}

// shortWords is a segment of a path that is no secret: words of at most eight letters, as /v1/hooks/mqtt-events.
var shortWords = regexp.MustCompile(`^([A-Za-z]{1,8}[-_.])*([A-Za-z]{1,8}|v[0-9]{1,3})$`)

// secretsOf are those that an endpoint may repeat in its answers: the values of headers, credentials, signing secrets, and
// of the address what only who may send there knows.
func secretsOf(endpoint config.Endpoint, address *url.URL, template *http.Request) excerpt.Secrets {
	var texts []string
	for name, values := range template.Header {
		if !shownHeaders[name] {
			texts = append(texts, headerSecrets(values[0])...)
		}
	}
	for _, secret := range endpoint.Secrets {
		texts = append(texts, string(secret), strings.TrimPrefix(string(secret), secretPrefix))
	}
	if user := address.User; user != nil {
		password, _ := user.Password()
		texts = append(texts, password)
		if password == "" {
			texts = append(texts, user.Username())
		}
	}
	texts = append(texts, pathSecrets(address.EscapedPath())...)
	texts = append(texts, pathSecrets(endpoint.Request.Path)...)
	for _, values := range address.Query() {
		texts = append(texts, values...)
	}
	for _, value := range endpoint.Request.Query {
		texts = append(texts, value)
	}
	return excerpt.NewSecrets(texts...)
}

// headerSecrets are the value of a header and its parts, as the token behind "Bearer", and the password in what follows
// "Basic" (RFC 7617 §2).
func headerSecrets(value string) []string {
	secrets := []string{value}
	scheme, credentials, found := strings.Cut(value, " ")
	if found {
		secrets = append(secrets, credentials)
	}
	if decoded, err := base64.StdEncoding.DecodeString(credentials); err == nil && strings.EqualFold(scheme, "Basic") {
		_, password, _ := strings.Cut(string(decoded), ":")
		secrets = append(secrets, password)
	}
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(` ;,="`, r) }) {
		if len(part) >= minPartBytes {
			secrets = append(secrets, part)
		}
	}
	return secrets
}

// pathSecrets are the segments of an escaped path, or of a template of one, that are no short words.
func pathSecrets(path string) (secrets []string) {
	for segment := range strings.SplitSeq(path, "/") {
		if plain, err := url.PathUnescape(segment); err == nil && !shortWords.MatchString(plain) {
			secrets = append(secrets, plain)
		}
	}
	return secrets
}
