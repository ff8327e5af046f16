package network

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fluxmq/webhookd/httpclient/internal/excerpt"
)

var (
	errTokenTimeout  = errors.New("the token server gave none within timeout")
	errTokenUnusable = errors.New("the token server's answer has a token that no header can carry")
	errNoToken       = errors.New("the token server's answer is none (RFC 6749 §5.1)")
)

// TokenError is why there is no token to send with. It shows nothing of the request for one.
type TokenError struct {
	code string // the server's error code (RFC 6749 §5.2); "": it gave none
	err  error
}

// Error names auth.oauth2, from which alone tokens are fetched.
func (e *TokenError) Error() string { return "no token from auth.oauth2: " + e.err.Error() }

// Unwrap is what failed.
func (e *TokenError) Unwrap() error { return e.err }

// errorCode is what an error code may look like here, which is less than RFC 6749 allows: it goes into a line of text.
var errorCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// newTokenError leaves out what the server answered but the code of its error and what describes it, the beginning of it and
// without what it repeats of the request.
func newTokenError(err error, settings clientcredentials.Config) error {
	var refused *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case errors.As(err, &refused):
		answer := errors.New("the token server answered " + StatusText(refused.Response.StatusCode))
		code := refused.ErrorCode
		if !errorCode.MatchString(code) || requestSecrets(settings).In(code) {
			return &TokenError{err: answer}
		}
		text := answer.Error() + ": " + code
		if description := requestSecrets(settings).Of([]byte(refused.ErrorDescription)); description != "" {
			text += " (" + description + ")"
		}
		return &TokenError{code: code, err: errors.New(text)}
	case errors.As(err, &transport): // it would show the address
		return &TokenError{err: transport.Err}
	}
	return &TokenError{err: errNoToken}
}

// minSecretParam is how long a parameter is at least that may be a secret. Error codes hold shorter words by chance.
const minSecretParam = 8

// requestSecrets are the client's secret, and each parameter of the request that may be one.
func requestSecrets(settings clientcredentials.Config) excerpt.Secrets {
	texts := []string{
		settings.ClientSecret, base64.StdEncoding.EncodeToString([]byte(settings.ClientID + ":" + settings.ClientSecret)),
	}
	for _, values := range settings.EndpointParams {
		for _, value := range values {
			if len(value) >= minSecretParam {
				texts = append(texts, value)
			}
		}
	}
	return excerpt.NewSecrets(texts...)
}

// refusesCredentials tells whether the server might take our credentials in another place of the request.
func refusesCredentials(err error) bool {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.ErrorCode {
	case "", "invalid_client", "invalid_request":
		return refused.Response.StatusCode == http.StatusBadRequest || refused.Response.StatusCode == http.StatusUnauthorized
	}
	return false
}
