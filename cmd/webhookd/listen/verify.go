package listen

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
)

// verifier tells whether a request was signed with one of its secrets, at most five minutes ago.
type verifier []*standardwebhooks.Webhook

// newVerifier reads the secrets of the command line: each is one, or @ and the name of a file that holds one and shows
// it to nobody who lists the processes.
func newVerifier(secrets []string) (verifier, error) {
	var keys verifier
	for _, secret := range secrets {
		if name, ok := strings.CutPrefix(secret, "@"); ok {
			text, err := config.ReadSecretFile(name)
			if err != nil {
				return nil, fmt.Errorf("--secret @FILE %w", err)
			}
			secret = strings.TrimSpace(text)
		}
		key, err := httpclient.ParseSecret(config.Secret(secret))
		if err != nil {
			return nil, fmt.Errorf("--secret %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// verify fails for a request that nobody signed who knows a secret. The error shows nothing of the request.
func (v verifier) verify(body []byte, header http.Header) error {
	var err error
	for _, key := range v {
		if err = key.Verify(body, header); err == nil {
			return nil
		}
	}
	return explained(err)
}

// explained says in a line what the library's error may tell with parts of the request.
func explained(err error) error {
	switch {
	case errors.Is(err, standardwebhooks.ErrRequiredHeaders):
		return errors.New("not signed: webhook-id, webhook-timestamp or webhook-signature is missing")
	case errors.Is(err, standardwebhooks.ErrInvalidHeaders):
		return errors.New("webhook-timestamp is no number")
	case errors.Is(err, standardwebhooks.ErrMessageTooOld):
		return errors.New("signed more than 5 minutes ago, or the clocks differ")
	case errors.Is(err, standardwebhooks.ErrMessageTooNew):
		return errors.New("signed more than 5 minutes in the future: the clocks differ")
	}
	return errors.New("signed with another secret, or changed on its way")
}
