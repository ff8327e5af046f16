package httpclient

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fluxmq/webhookd/config"
)

const (
	timestampHeader = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"

	secretPrefix   = "whsec_"
	minSecretBytes = 24
	maxSecretBytes = 64
)

var errNoSecret = errors.New("is no signing secret: whsec_ and the base64 of 24 to 64 bytes (make one: echo whsec_$(openssl rand -base64 32))")

// ParseSecret makes of a signing secret what signs and verifies with it: whsec_ and the base64 of 24 to 64 bytes
// (Standard Webhooks 1.0, "Signature scheme", symmetric). The error shows nothing of the secret.
func ParseSecret(secret config.Secret) (*standardwebhooks.Webhook, error) {
	text, prefixed := strings.CutPrefix(string(secret), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return nil, errNoSecret
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// signer signs requests with each of an endpoint's secrets, so that a receiver may change from one to the next while
// both sign. Without a secret it leaves them unsigned.
type signer []*standardwebhooks.Webhook

// newSigner fails with a config.KeyError for each secret that is none, joined.
func newSigner(secrets []config.Secret) (signer, error) {
	var keys signer
	var malformed []error
	for i, secret := range secrets {
		key, err := ParseSecret(secret)
		if err != nil {
			malformed = append(malformed, &config.KeyError{Key: fmt.Sprintf("secrets[%d]", i), Err: err})
		}
		keys = append(keys, key)
	}
	return keys, errors.Join(malformed...)
}

// sign adds the headers by which a receiver verifies that the body is from who knows a secret, has this id, and was
// sent at that time: webhook-timestamp in Unix seconds, and webhook-signature with a signature a secret, in their order,
// a space between them. The body is the one that a receiver reads after undoing the Content-Encoding.
func (s signer) sign(header http.Header, id string, at time.Time, body []byte) {
	if len(s) == 0 {
		return
	}
	signatures := make([]string, len(s))
	for i, key := range s {
		signatures[i], _ = key.Sign(id, at, body) // v1 can't fail
	}
	header[timestampHeader] = []string{strconv.FormatInt(at.Unix(), 10)}
	header[signatureHeader] = []string{strings.Join(signatures, " ")}
}
