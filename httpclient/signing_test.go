package httpclient

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// newSecret is a signing secret of so many bytes.
func newSecret(bytes int, fill byte) config.Secret {
	return config.Secret(secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), bytes))))
}

func newSignerOf(t testing.TB, secrets ...config.Secret) signer {
	t.Helper()
	signer, err := newSigner(secrets)
	require.NoError(t, err)
	return signer
}

func verifySignature(t testing.TB, secret config.Secret, body string, header http.Header) error {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(string(secret))
	require.NoError(t, err)
	return verifier.Verify([]byte(body), header)
}

func signedEndpoint(url string, secrets ...config.Secret) config.Endpoint {
	endpoint := endpointAt(url)
	endpoint.Secrets = secrets
	return endpoint
}

func TestSignatureIsThatOfTheStandardsExample(t *testing.T) {
	header := http.Header{}

	newSignerOf(t, vectorSecret).sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))

	require.Equal(t, http.Header{
		"Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}, header)
}

func TestReceiverWithEitherSecretVerifiesWhileBothSign(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	next, last := newSecret(24, 'n'), newSecret(64, 'l')

	newClient(t, signedEndpoint(server.URL, next, last)).sendEvent(t.Context(), newEvent(t, 3000))

	require.Len(t, requests, 1)
	signatures := strings.Split(requests[0].header.Get("Webhook-Signature"), " ")
	require.Len(t, signatures, 2)
	for i, secret := range []config.Secret{next, last} {
		require.NoError(t, verifySignature(t, secret, requests[0].body, requests[0].header))

		alone := requests[0].header.Clone()
		alone.Set("Webhook-Signature", signatures[i])
		require.NoError(t, verifySignature(t, secret, requests[0].body, alone), "in the order of the secrets")
	}
	require.ErrorIs(t, verifySignature(t, newSecret(32, 'x'), requests[0].body, requests[0].header), standardwebhooks.ErrNoMatchingSignature)
	require.ErrorIs(t, verifySignature(t, next, requests[0].body+" ", requests[0].header), standardwebhooks.ErrNoMatchingSignature)
}

func TestRequestWithoutSecretsIsUnsigned(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))

	clientOf(t, server.URL).sendEvent(t.Context(), newEvent(t, 0))

	require.Len(t, requests, 1)
	require.NotContains(t, requests[0].header, "Webhook-Timestamp")
	require.NotContains(t, requests[0].header, "Webhook-Signature")
	require.Contains(t, requests[0].header, "Webhook-Id")
}

func TestBatchIsSignedWithItsID(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	endpoint := signedEndpoint(server.URL, vectorSecret)
	endpoint.Batch.MaxEvents = 10

	outcome := newClient(t, endpoint).Send(t.Context(), "batch-1", []*messages.Envelope{newEvent(t, 10), newEvent(t, 20)})

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind)
	require.Len(t, requests, 1)
	require.Equal(t, "batch-1", requests[0].header.Get("Webhook-Id"))
	require.NoError(t, verifySignature(t, vectorSecret, requests[0].body, requests[0].header))
}

func TestEveryAttemptIsSignedWithItsOwnTime(t *testing.T) {
	var requests []received
	serveInVirtualTime(t, record(&requests), func(t *testing.T, client *Client, _ chan http.ConnState) {
		client.signer = newSignerOf(t, vectorSecret)
		event := newEvent(t, 100)

		var sent []string
		for range 3 {
			sent = append(sent, strconv.FormatInt(time.Now().Unix(), 10))
			require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
			time.Sleep(time.Minute)
		}

		require.Len(t, requests, 3)
		for i, request := range requests {
			require.Equal(t, sent[i], request.header.Get("Webhook-Timestamp"))
			require.Equal(t, event.ID, request.header.Get("Webhook-Id"))
			require.Equal(t, string(event.Body()), request.body)
			require.NoError(t, verifySignature(t, vectorSecret, request.body, request.header))
		}
		require.NotEqual(t, requests[0].header.Get("Webhook-Signature"), requests[1].header.Get("Webhook-Signature"))
	})
}

func TestConfiguredHeaderDoesNotReplaceASignature(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	endpoint := signedEndpoint(server.URL, vectorSecret)
	endpoint.Headers = map[string]config.Secret{"webhook-signature": "v1,x", "webhook-timestamp": "1", "webhook-id": "x"}

	newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Len(t, requests, 1)
	require.NoError(t, verifySignature(t, vectorSecret, requests[0].body, requests[0].header))
}

func TestSecretOf24To64BytesIsTaken(t *testing.T) {
	for _, bytes := range []int{24, 25, 32, 64} {
		_, err := ParseSecret(newSecret(bytes, 'k'))
		require.NoError(t, err, bytes)
	}
}

func TestMalformedSecretIsRefusedAndNotShown(t *testing.T) {
	for name, secret := range map[string]config.Secret{
		"empty":               "",
		"prefix alone":        "whsec_",
		"23 bytes":            newSecret(23, 'k'),
		"65 bytes":            newSecret(65, 'k'),
		"no prefix":           "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"prefix in capitals":  "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"no base64":           "whsec_topsecret-topsecret-topsecret-topsecret",
		"base64 for a URL":    "whsec_" + config.Secret(base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xfb\xff\xfe", 8)))),
		"no padding":          config.Secret(strings.TrimRight(string(newSecret(25, 'k')), "=")),
		"an asymmetric key":   "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"blank in the middle": "whsec_MfKQ9r8GKYqrTwj UPD8ILPZIo2LaLaSw",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(signedEndpoint("http://a.test", secret), quiet)
			require.EqualError(t, err, "secrets[0]: is no signing secret: whsec_ and the base64 of 24 to 64 bytes (make one: echo whsec_$(openssl rand -base64 32))")
		})
	}
}

func TestEveryMalformedSecretIsTold(t *testing.T) {
	_, err := New(signedEndpoint("http://a.test", "topsecret", vectorSecret, "whsec_topsecret"), quiet)

	var first *config.KeyError
	require.True(t, errors.As(err, &first))
	require.Equal(t, "secrets[0]", first.Key)
	require.ErrorContains(t, err, "secrets[2]: ")
	require.NotContains(t, err.Error(), "secrets[1]: ")
	require.NotContains(t, err.Error(), "topsecret")
	require.NotContains(t, fmt.Sprintf("%#v", err), "topsecret")
}

func TestManyGoroutinesSignAtOnce(t *testing.T) {
	next, last := newSecret(24, 'n'), newSecret(64, 'l')
	signer := newSignerOf(t, next, last)
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			id, body := "event-"+strconv.Itoa(i), []byte(strings.Repeat("x", 1000*i))
			for range 50 {
				header := http.Header{"Webhook-Id": {id}}
				signer.sign(header, id, time.Now(), body)
				if err := verifySignature(t, last, string(body), header); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
}

// BenchmarkSigned against its unsigned case is the price of signatures.
func BenchmarkSigned(b *testing.B) {
	server := serve(b, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for _, bytes := range []int{256, 1 << 20} {
		for _, secrets := range [][]config.Secret{nil, {newSecret(32, 'n')}, {newSecret(32, 'n'), newSecret(32, 'l')}} {
			b.Run(fmt.Sprintf("payload=%d/secrets=%d", bytes, len(secrets)), func(b *testing.B) {
				client, event := newClient(b, signedEndpoint(server.URL, secrets...)), newEvent(b, bytes)
				b.ReportAllocs()
				for b.Loop() {
					if outcome := client.sendEvent(context.Background(), event); outcome.Err != nil {
						b.Fatal(outcome.Err)
					}
				}
			})
		}
	}
}
