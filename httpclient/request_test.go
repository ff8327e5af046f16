package httpclient

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
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
	body, err := event.Body()
	require.NoError(t, err)

	outcome := clientOf(t, server.URL+"/hooks?of=broker").Send(t.Context(), event)

	require.Equal(t, Outcome{Kind: Delivered, Status: 200, Sent: true}, outcome)
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

	client.Send(t.Context(), event)
	client.Send(t.Context(), event)

	require.Len(t, requests, 2)
	require.Equal(t, requests[0], requests[1])
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
	client.Send(t.Context(), newEvent(t, 0))
	client.Send(t.Context(), newEvent(t, 0))

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

			newClient(t, endpoint).Send(t.Context(), newEvent(t, 0))

			require.Len(t, requests, 1)
			require.Equal(t, []string{c.want}, requests[0].header["Authorization"])
		})
	}
}

func TestEndpointThatNoRequestCanReachIsRefused(t *testing.T) {
	header := func(name, value string) config.Endpoint {
		endpoint := endpointAt("http://127.0.0.1")
		endpoint.Headers = map[string]config.Secret{name: config.Secret(value)}
		return endpoint
	}
	twice := header("X-Site", "topsecret")
	twice.Headers["x-site"] = "topsecret"
	const badURL = "url: is no absolute http or https address"

	for name, c := range map[string]struct {
		endpoint config.Endpoint
		want     string
	}{
		"no url":                {endpointAt(""), badURL},
		"no scheme":             {endpointAt("topsecret.example/hook"), badURL},
		"no host":               {endpointAt("http:///topsecret"), badURL},
		"other scheme":          {endpointAt("ftp://topsecret.example"), badURL},
		"slash in the password": {endpointAt("http://user:topsecret/1@example.com"), badURL},
		"control character":     {endpointAt("http://example.com/topsecret\n"), badURL},
		"header name":           {header("X Site", "topsecret"), `headers: "X Site" is no header name`},
		"empty header name":     {header("", "topsecret"), `headers: "" is no header name`},
		"header value":          {header("X-Site", "topsecret\r\nX-Other: 1"), "headers: the value of X-Site can't be sent"},
		"host":                  {header("Host", "topsecret/hook"), "headers: the value of Host can't be sent"},
		"empty host":            {header("Host", ""), "headers: the value of Host can't be sent"},
		"framing":               {header("content-length", "topsecret"), "headers: Content-Length is set by webhookd"},
		"event id":              {header("webhook-id", "topsecret"), "headers: Webhook-Id is set by webhookd"},
		"the same header twice": {twice, "headers: X-Site is there twice, in different letter case"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.endpoint)
			require.EqualError(t, err, c.want)
		})
	}
}
