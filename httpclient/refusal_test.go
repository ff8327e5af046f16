package httpclient

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// refusingWith answers with the status and the text.
func refusingWith(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestBeginningOfARefusingAnswerIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		text, want string
	}{
		"delivered":     {200, "thanks", ""},
		"rejected":      {422, "no\x1bfield \"qos\"\n", `no\u001bfield "qos"`},
		"away":          {503, "in maintenance", "in maintenance"},
		"failed":        {500, "oops", "oops"},
		"throttled":     {429, "slow down", "slow down"},
		"silent":        {404, "", ""},
		"long":          {400, strings.Repeat("x", 100_000), strings.Repeat("x", 200) + "…"},
		"invalid UTF-8": {400, "caf\xe9", `caf\xe9`},
	} {
		t.Run(name, func(t *testing.T) {
			outcome := clientOf(t, serve(t, refusingWith(c.status, c.text)).URL).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, c.status, outcome.Status)
			require.Equal(t, c.want, outcome.Answer)
		})
	}
}

func TestCompressedAnswerSaysNothing(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		refusingWith(400, "\x1f\x8b")(w, nil)
	})

	require.Empty(t, clientOf(t, server.URL).sendEvent(t.Context(), newEvent(t, 0)).Answer)
}

func TestAnswerThatRepeatsTheRequestShowsNoSecretOfIt(t *testing.T) {
	signing := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 24)))
	for name, c := range map[string]struct {
		change func(*config.Endpoint)
		repeat func(*http.Request) string
		want   string
	}{
		"header": {
			func(e *config.Endpoint) { e.Headers = map[string]config.Secret{"X-Api-Key": "topsecret"} },
			func(r *http.Request) string { return "bad key " + r.Header.Get("X-Api-Key") },
			"bad key [secret]",
		},
		"token in a header": {
			func(e *config.Endpoint) { e.Headers = map[string]config.Secret{"Authorization": "ApiKey topsecret"} },
			func(r *http.Request) string {
				return "bad key " + strings.TrimPrefix(r.Header.Get("Authorization"), "ApiKey ")
			},
			"bad key [secret]",
		},
		"cookie in a header": {
			func(e *config.Endpoint) { e.Headers = map[string]config.Secret{"Cookie": "sid=topsecret; lang=en"} },
			func(r *http.Request) string { cookie, _ := r.Cookie("sid"); return "bad session " + cookie.Value },
			"bad session [secret]",
		},
		"header that is none": {
			func(e *config.Endpoint) { e.Headers = map[string]config.Secret{"Accept": "text/plain"} },
			func(r *http.Request) string { return "no " + r.Header.Get("Accept") },
			"no text/plain",
		},
		"basic": {
			func(e *config.Endpoint) {
				e.Auth = &config.Auth{Basic: &config.Basic{Username: "user", Password: "topsecret"}}
			},
			func(r *http.Request) string {
				_, password, _ := r.BasicAuth()
				return "user: " + r.Header.Get("Authorization") + ", " + strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ") + ", " + password
			},
			"user: [secret], [secret], [secret]",
		},
		"bearer": {
			func(e *config.Endpoint) { e.Auth = &config.Auth{Bearer: "topsecret"} },
			func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
			"[secret]",
		},
		"token in a file": {
			func(e *config.Endpoint) {
				e.Auth = &config.Auth{BearerFile: writeNew(t, []byte("topsecret\n"))}
			},
			func(r *http.Request) string { return r.Header.Get("Authorization") + " topsecret" },
			"[secret] [secret]",
		},
		"password in url": {
			func(e *config.Endpoint) { e.URL = strings.Replace(e.URL, "http://", "http://user:topsecret@", 1) },
			func(r *http.Request) string { return r.Header.Get("Authorization") + " user topsecret" },
			"[secret] user [secret]",
		},
		"token as the user in url": {
			func(e *config.Endpoint) { e.URL = strings.Replace(e.URL, "http://", "http://topsecret@", 1) },
			func(*http.Request) string { return "topsecret" },
			"[secret]",
		},
		"path and query": {
			func(e *config.Endpoint) { e.URL += "/v1/mqtt-hooks/T024B/topsecret?key=k%2F1" },
			func(r *http.Request) string { return "no " + r.RequestURI },
			"no /v1/mqtt-hooks/[secret]/[secret]?key=[secret]",
		},
		"path and query of request": {
			func(e *config.Endpoint) {
				e.Request = config.Request{Path: "/hooks/topsecret/{{.event_type}}", Query: map[string]string{"key": "other1"}}
			},
			func(r *http.Request) string { return "no " + r.RequestURI },
			"no /hooks/[secret]/message.published?key=[secret]",
		},
		"signing secret": {
			func(e *config.Endpoint) { e.Secrets = []config.Secret{config.Secret(signing)} },
			func(*http.Request) string { return signing + " " + signing[len("whsec_"):] },
			"[secret] [secret]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, c.repeat(r))
			})
			endpoint := endpointAt(server.URL)
			c.change(&endpoint)

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, c.want, outcome.Answer)
		})
	}
}

func TestProxyThatRepeatsItsCredentialsShowsNoSecret(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprintf(w, "%s topsecret", r.Header.Get("Proxy-Authorization"))
	})
	endpoint := endpointAt("http://receiver.example")
	endpoint.Proxy = config.Secret(strings.Replace(proxy.URL, "http://", "http://user:topsecret@", 1))

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, 502, outcome.Status)
	require.Equal(t, "Basic [secret] [secret]", outcome.Answer)
}

func TestAddressThatIsMadeOfTheEventMayBeWhyNothingIsThere(t *testing.T) {
	fixed := map[string]string{"key": "1"}
	for name, c := range map[string]struct {
		request config.Request
		want    map[int]messages.OutcomeKind
	}{
		"as configured":      {config.Request{}, map[int]messages.OutcomeKind{404: messages.OutcomeAway, 405: messages.OutcomeAway, 410: messages.OutcomeAway}},
		"the same for all":   {config.Request{Path: "/a", Query: fixed, Method: "PUT"}, map[int]messages.OutcomeKind{404: messages.OutcomeAway, 405: messages.OutcomeAway, 410: messages.OutcomeAway}},
		"path of the event":  {config.Request{Path: "/{{.event_type}}"}, map[int]messages.OutcomeKind{404: messages.OutcomeRejected, 405: messages.OutcomeRejected, 410: messages.OutcomeRejected, 403: messages.OutcomeAway}},
		"query of the event": {config.Request{Query: map[string]string{"type": "{{.event_type}}", "z": "1"}}, map[int]messages.OutcomeKind{404: messages.OutcomeRejected, 405: messages.OutcomeRejected, 410: messages.OutcomeRejected, 401: messages.OutcomeAway}},
		"method of the event": {config.Request{Method: `{{if eq .event_type "message.published"}}PUT{{else}}POST{{end}}`}, map[int]messages.OutcomeKind{
			404: messages.OutcomeAway, 405: messages.OutcomeRejected, 410: messages.OutcomeAway,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for status, want := range c.want {
				endpoint := endpointAt(serve(t, refusingWith(status, "")).URL)
				endpoint.Request = c.request

				outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

				require.Equal(t, want, outcome.Kind, "status %d", status)
			}
		})
	}
}

func TestWordsOfARefusalTellWhatToCheck(t *testing.T) {
	secret := config.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 24))))
	for name, c := range map[string]struct {
		status  int
		text    string
		secrets []config.Secret
		want    string
	}{
		"nginx, HTTP to TLS":           {400, "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>", nil, "write https:// into url"},
		"Go, HTTP to TLS":              {400, "Client sent an HTTP request to an HTTPS server.\n", nil, "write https:// into url"},
		"nginx, no certificate":        {400, "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>", nil, "tls.cert_file"},
		"nginx, expired certificate":   {400, "<html>\r\n<head><title>400 The SSL certificate error</title></head>", nil, "tls.cert_file"},
		"forbidden, no certificate":    {403, "client certificate required", nil, "tls.cert_file"},
		"unauthorized":                 {401, "", nil, "check auth and headers"},
		"unauthorized, signed":         {401, "", []config.Secret{secret}, "check secrets"},
		"forbidden, signed":            {403, "", []config.Secret{secret}, "check auth and headers"},
		"signature refused":            {400, "Invalid signature", []config.Secret{secret}, "refuses the signature: check secrets"},
		"signature wanted":             {400, "signature missing", nil, "check what it expects"},
		"certificate in another place": {404, "no such certificate", nil, "check url"},
		"certificate of a failure":     {500, "no such certificate", nil, "look into its log"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt(serve(t, refusingWith(c.status, c.text)).URL)
			endpoint.Secrets = c.secrets

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Contains(t, Advice(outcome), c.want)
		})
	}
}

func TestThrottledAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		want       messages.OutcomeKind
	}{
		"429":                       {429, "", messages.OutcomeThrottled},
		"429 with Retry-After":      {429, "3", messages.OutcomeThrottled},
		"429 with one of no use":    {429, "soon", messages.OutcomeThrottled},
		"503 with Retry-After":      {503, "3", messages.OutcomeThrottled},
		"503 with one of no use":    {503, "soon", messages.OutcomeAway},
		"503":                       {503, "", messages.OutcomeAway},
		"502 with Retry-After":      {502, "3", messages.OutcomeAway},
		"500 with Retry-After":      {500, "3", messages.OutcomeFailed},
		"redirect with Retry-After": {301, "3", messages.OutcomeAway},
	} {
		outcome := answers{}.interpret(c.status, http.Header{"Retry-After": {c.retryAfter}}, retryAfterNow)

		require.Equal(t, c.want, outcome.Kind, name)
		require.Equal(t, c.retryAfter == "3" && (c.status == 429 || c.status == 503), outcome.PauseAsked, name)
	}
}
