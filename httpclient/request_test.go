package httpclient

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

type received struct {
	method, address, host string
	header                http.Header
	body                  string
}

// record delivers 200 and keeps every request, to be read when none is under way.
func record(requests *[]received) http.HandlerFunc {
	var mutex sync.Mutex
	return func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		defer mutex.Unlock()
		*requests = append(*requests, received{r.Method, r.URL.String(), r.Host, r.Header, string(body)})
	}
}

func TestRequestCarriesTheEventAndWhatIdentifiesIt(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	event := newEvent(t, 100)
	body := event.Body()

	outcome := clientOf(t, server.URL+"/hooks?of=broker").sendEvent(t.Context(), event)

	require.Equal(t, messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}, outcome)
	require.Len(t, requests, 1)
	request := requests[0]
	require.Equal(t, "POST", request.method)
	require.Equal(t, "/hooks?of=broker", request.address)
	require.Equal(t, string(body), request.body)
	require.Equal(t, []string{event.ID}, request.header["Webhook-Id"])
	require.Equal(t, []string{"application/json"}, request.header["Content-Type"])
	require.Regexp(t, `^webhookd(/[^ ]+)?$`, request.header.Get("User-Agent"))
	require.NotContains(t, request.header, "Accept-Encoding")
	require.NotContains(t, request.header, "Authorization")
}

func TestEveryAttemptSendsTheSameBytes(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	client, event := clientOf(t, server.URL), newEvent(t, 1000)

	client.sendEvent(t.Context(), event)
	client.sendEvent(t.Context(), event)

	require.Len(t, requests, 2)
	require.Equal(t, requests[0], requests[1])
}

func TestBatchIsSentUnderAnIDOfItsOwn(t *testing.T) {
	var requests []received
	endpoint := endpointAt(serve(t, record(&requests)).URL)
	endpoint.Batch.MaxEvents = 10
	client, first, second := newClient(t, endpoint), newEvent(t, 0), newEvent(t, 0)

	client.Send(t.Context(), "batch-1", []*messages.Envelope{first})
	client.Send(t.Context(), "batch-2", []*messages.Envelope{first, second})

	require.Len(t, requests, 2)
	require.Equal(t, "["+string(first.Body())+"]", requests[0].body)
	require.Equal(t, "["+string(first.Body())+","+string(second.Body())+"]", requests[1].body)
	require.Equal(t, []string{"batch-2"}, requests[1].header["Webhook-Id"])
	require.Equal(t, []string{"application/json"}, requests[1].header["Content-Type"])
}

func TestConfiguredHeadersAreSent(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	endpoint := endpointAt(server.URL)
	endpoint.Headers = map[string]config.Secret{
		"authorization": "Bearer token", "user-agent": "fleet", "Content-Type": "application/cloudevents+json",
		"Host": "receiver.example", "X-Empty": "", "Idempotency-Key": "k", "x-idempotency-key": "x",
	}

	client := newClient(t, endpoint)
	client.sendEvent(t.Context(), newEvent(t, 0))
	client.sendEvent(t.Context(), newEvent(t, 0))

	require.Len(t, requests, 2)
	for _, request := range requests {
		require.Equal(t, "receiver.example", request.host)
		for name, value := range map[string]string{
			"Authorization": "Bearer token", "User-Agent": "fleet", "Content-Type": "application/cloudevents+json",
			"X-Empty": "", "Idempotency-Key": "k", "X-Idempotency-Key": "x",
		} {
			require.Equal(t, []string{value}, request.header[name], name)
		}
	}
}

func TestUserinfoOfTheURLBecomesBasicAuthorization(t *testing.T) {
	for name, c := range map[string]struct {
		headers map[string]config.Secret
		want    string
	}{
		"alone":                     {nil, "Basic dXNlcjpwQHNz"}, // user:p@ss
		"beside its own":            {map[string]config.Secret{"authorization": "Bearer token"}, "Bearer token"},
		"beside some other headers": {map[string]config.Secret{"X-Site": "a"}, "Basic dXNlcjpwQHNz"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests []received
			server := serve(t, record(&requests))
			endpoint := endpointAt("http://user:p%40ss@" + server.Listener.Addr().String())
			endpoint.Headers = c.headers

			newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Len(t, requests, 1)
			require.Equal(t, []string{c.want}, requests[0].header["Authorization"])
		})
	}
}

func TestEndpointThatNoRequestCanReachIsRefused(t *testing.T) {
	for name, url := range map[string]string{
		"no url":                "",
		"no scheme":             "topsecret.example/hook",
		"no host":               "http:///topsecret",
		"other scheme":          "ftp://topsecret.example",
		"slash in the password": "http://user:topsecret/1@example.com",
		"control character":     "http://example.com/topsecret\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(endpointAt(url), quiet)
			require.EqualError(t, err, "url: is no absolute http or https address")
		})
	}
}
