package httpclient

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestCredentialsThatNeverChangeAreSentWithEachRequest(t *testing.T) {
	for want, auth := range map[string]config.Auth{
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==": {Basic: &config.Basic{Username: "Aladdin", Password: "open sesame"}}, // RFC 7617 §2
		"Basic dGVzdDoxMjPCow==":             {Basic: &config.Basic{Username: "test", Password: "123£"}},           // RFC 7617 §2.1
		"Bearer mF_9.B5f-4.1JqM":             {Bearer: "mF_9.B5f-4.1JqM"},                                          // RFC 6750 §2.1
	} {
		var requests []received
		server := serve(t, record(&requests))
		endpoint := endpointAt(server.URL)
		endpoint.Auth = &auth
		client := newClient(t, endpoint)

		client.sendEvent(t.Context(), newEvent(t, 0))
		client.sendEvent(t.Context(), newEvent(t, 0))

		require.Len(t, requests, 2)
		for _, request := range requests {
			require.Equal(t, []string{want}, request.header["Authorization"])
		}
	}
}

func TestCredentialsThatNeverChangeAreSentOnce(t *testing.T) {
	var requests []received
	keep := record(&requests)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keep(w, r)
		w.WriteHeader(http.StatusUnauthorized)
	})
	endpoint := endpointAt(server.URL)
	endpoint.Auth = &config.Auth{Bearer: "token"}

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, 401, outcome.Status)
	require.Contains(t, Advice(outcome), "check auth")
	require.Len(t, requests, 1)
}

// authorizations are what an endpoint got, in order.
type authorizations struct {
	mutex sync.Mutex
	all   []string
}

func (a *authorizations) note(r *http.Request) string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.all = append(a.all, r.Header.Get("Authorization"))
	return r.Header.Get("Authorization")
}

// inVirtualBearerFile runs test with an endpoint that accepts what accepted says.
func inVirtualBearerFile(t *testing.T, path config.Path, accepted string, test func(*testing.T, *Client, *authorizations, *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		got, network := &authorizations{}, newPipe()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := got.note(r); accepted != "" && got != accepted {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})}
		go func() { _ = server.Serve(network) }()
		endpoint := endpointAt("http://receiver.example")
		endpoint.Auth = &config.Auth{BearerFile: path}
		var log bytes.Buffer
		client, err := New(endpoint, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		client.dialWith(network.dial)

		test(t, client, got, &log)

		client.Close()
		require.NoError(t, server.Close())
	})
}

func TestBearerFileIsReadAgainWhenItChanges(t *testing.T) {
	path := writeNew(t, []byte("first\n"))
	inVirtualBearerFile(t, path, "", func(t *testing.T, client *Client, got *authorizations, _ *bytes.Buffer) {
		_, _ = send(t, client)
		write(t, string(path), []byte("second\r\n"))
		_, _ = send(t, client) // within the second
		time.Sleep(time.Second)
		_, _ = send(t, client)

		require.Equal(t, []string{"Bearer first", "Bearer first", "Bearer second"}, got.all)
	})
}

func TestBearerFileIsReadAtOnceAfterARefusal(t *testing.T) {
	path := writeNew(t, []byte("first"))
	inVirtualBearerFile(t, path, "Bearer second", func(t *testing.T, client *Client, got *authorizations, _ *bytes.Buffer) {
		outcome, _ := send(t, client)
		require.Equal(t, 401, outcome.Status)
		require.Equal(t, []string{"Bearer first"}, got.all) // and not twice
		write(t, string(path), []byte("second"))

		outcome, took := send(t, client)

		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		require.Zero(t, took)
		require.Equal(t, []string{"Bearer first", "Bearer first", "Bearer second"}, got.all)
	})
}

func TestSecondRefusalIsTheOutcome(t *testing.T) {
	path := writeNew(t, []byte("first"))
	inVirtualBearerFile(t, path, "Bearer third", func(t *testing.T, client *Client, got *authorizations, _ *bytes.Buffer) {
		_, _ = send(t, client)
		write(t, string(path), []byte("second"))

		outcome, _ := send(t, client)

		require.Equal(t, messages.OutcomeAway, outcome.Kind)
		require.Equal(t, 401, outcome.Status)
		require.True(t, outcome.Sent)
		require.Equal(t, []string{"Bearer first", "Bearer first", "Bearer second"}, got.all)
	})
}

func TestSecondRequestThatReachesNobodyLeavesTheRefusalAsTheOutcome(t *testing.T) {
	path := writeNew(t, []byte("first"))
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(t, string(path), []byte("second"))
		_ = server.Listener.Close()
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnauthorized)
	})
	server.Start()
	t.Cleanup(server.Close)
	endpoint := endpointAt(server.URL)
	endpoint.Auth = &config.Auth{BearerFile: path}

	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, 401, outcome.Status)
	require.True(t, outcome.Sent)
}

func TestBearerFileThatBreaksChangesNothingAndIsToldOnce(t *testing.T) {
	path := writeNew(t, []byte("first"))
	inVirtualBearerFile(t, path, "", func(t *testing.T, client *Client, got *authorizations, log *bytes.Buffer) {
		for told, broken := range []string{"", "topsecret\nmore", strings.Repeat("x", 64<<10+1)} {
			write(t, string(path), []byte(broken))
			for range 3 {
				time.Sleep(time.Second)
				_, _ = send(t, client)
			}
			require.Equal(t, told+1, strings.Count(log.String(), "WARN"), log)
		}
		require.NoError(t, os.Remove(string(path)))
		time.Sleep(time.Second)
		_, _ = send(t, client)

		require.Contains(t, log.String(), "auth.bearer_file: holds no token")
		require.Contains(t, log.String(), "can't be read")
		require.NotContains(t, log.String(), "topsecret")
		for _, authorization := range got.all {
			require.Equal(t, "Bearer first", authorization)
		}
	})
}

func TestBearerFileThatCannotBeUsedIsAProblemOfItsKey(t *testing.T) {
	for part, path := range map[string]config.Path{
		"can't be read":    "/nowhere/token",
		"holds no token":   writeNew(t, []byte("\n")),
		"no header":        writeNew(t, []byte("topsecret\ntopsecret\n")),
		"over 65536 bytes": writeNew(t, bytes.Repeat([]byte("x"), 64<<10+1)),
		"no regular file":  config.Path(t.TempDir()),
	} {
		endpoint := endpointAt("http://receiver.example")
		endpoint.Auth = &config.Auth{BearerFile: path}

		problems := keyErrors(t, endpoint)

		require.Contains(t, problems["auth.bearer_file"], part)
		require.NotContains(t, problems["auth.bearer_file"], "topsecret")
	}
}

func TestBasicAuthMayBeAPasswordAlone(t *testing.T) {
	for name, change := range map[string]func(*config.Endpoint){
		"auth": func(e *config.Endpoint) { e.Auth = &config.Auth{Basic: &config.Basic{Password: "topsecret"}} },
		"url":  func(e *config.Endpoint) { e.URL = strings.Replace(e.URL, "http://", "http://:topsecret@", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan string, 1)
			endpoint := endpointAt(serve(t, func(_ http.ResponseWriter, r *http.Request) {
				user, password, ok := r.BasicAuth()
				sent <- fmt.Sprint(user, ":", password, " ", ok)
			}).URL)
			change(&endpoint)

			require.Equal(t, messages.OutcomeDelivered, newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0)).Kind)

			require.Equal(t, ":topsecret true", <-sent)
		})
	}
}
