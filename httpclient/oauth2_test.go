package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// tokenRig is a client with auth.oauth2 in virtual time, its token server and its endpoint.
type tokenRig struct {
	client  *Client
	fetched atomic.Int32   // requests to the token server
	got     authorizations // what the endpoint got
	form    atomic.Pointer[url.Values]
	header  atomic.Pointer[http.Header]

	answer   func(w http.ResponseWriter, r *http.Request, number int32) // to the fetch of that number, from 1
	accept   func(authorization string) bool                            // nil: everything
	inspect  http.HandlerFunc                                           // gets each request to the endpoint; nil: nobody
	delay    time.Duration                                              // of the endpoint
	change   func(*config.Endpoint)                                     // nil: nothing
	networks map[string]*pipe
}

func (r *tokenRig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if pipe, ok := r.networks[host]; ok {
		return pipe.dial(ctx, network, address)
	}
	return nil, errors.New("no such host")
}

// expiring answers with a token that names its number, for so many seconds; 0: without expires_in.
func expiring(seconds int) func(http.ResponseWriter, *http.Request, int32) {
	return func(w http.ResponseWriter, _ *http.Request, number int32) {
		w.Header().Set("Content-Type", "application/json")
		expiry := ""
		if seconds != 0 {
			expiry = fmt.Sprintf(`,"expires_in":%d`, seconds)
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer"%s}`, number, expiry)
	}
}

func inVirtualOAuth2(t *testing.T, rig *tokenRig, test func(*testing.T, *tokenRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		receiver, auth := newPipe(), newPipe()
		rig.networks = map[string]*pipe{"receiver.example": receiver, "auth.example": auth}
		servers := []*http.Server{
			{Handler: http.HandlerFunc(rig.receive)},
			{Handler: http.HandlerFunc(rig.serveTokens)},
		}
		go func() { _ = servers[0].Serve(receiver) }()
		go func() { _ = servers[1].Serve(auth) }()
		endpoint := oauth2Endpoint()
		if rig.change != nil {
			rig.change(&endpoint)
		}
		rig.client = newClient(t, endpoint)
		rig.client.dialWith(rig.dial)

		test(t, rig)

		rig.client.Close()
		for _, server := range servers {
			require.NoError(t, server.Close())
		}
		time.Sleep(2 * time.Second) // for a handler that writes on
	})
}

func oauth2Endpoint() config.Endpoint {
	endpoint := endpointAt("http://receiver.example/hook")
	endpoint.Workers = 50
	endpoint.Auth = &config.Auth{OAuth2: &config.OAuth2{
		TokenURL: "http://auth.example/token", ClientID: "client", ClientSecret: "topsecret",
		Scopes: []string{"events:write", "events:read"}, Params: map[string]config.Secret{"audience": "hooks"},
	}}
	return endpoint
}

func (r *tokenRig) receive(w http.ResponseWriter, request *http.Request) {
	if r.inspect != nil {
		r.inspect(w, request)
	}
	_, _ = io.Copy(io.Discard, request.Body)
	time.Sleep(r.delay)
	if got := r.got.note(request); r.accept != nil && !r.accept(got) {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (r *tokenRig) serveTokens(w http.ResponseWriter, request *http.Request) {
	number := r.fetched.Add(1)
	_ = request.ParseForm()
	r.form.Store(&request.PostForm)
	r.header.Store(&request.Header)
	r.answer(w, request, number)
}

func (r *tokenRig) deliver(t *testing.T) {
	t.Helper()
	outcome, _ := send(t, r.client)
	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
}

// requireNoToken expects that nothing was sent, for want of a token.
func (r *tokenRig) requireNoToken(t *testing.T, outcome messages.Outcome) {
	t.Helper()
	requireAway(t, outcome)
	require.NotContains(t, outcome.Err.Error(), "topsecret")
	require.NotContains(t, outcome.Err.Error(), "auth.example")
	require.Contains(t, Advice(outcome), "auth.oauth2.")
	require.Empty(t, r.got.all)
}

func TestTokenIsFetchedByTheClientCredentialsGrant(t *testing.T) {
	inVirtualOAuth2(t, &tokenRig{answer: expiring(3600)}, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		rig.deliver(t)

		require.Equal(t, url.Values{
			"grant_type": {"client_credentials"}, "scope": {"events:write events:read"}, "audience": {"hooks"},
		}, *rig.form.Load())
		require.Equal(t, "Basic Y2xpZW50OnRvcHNlY3JldA==", rig.header.Load().Get("Authorization"))
		require.Contains(t, rig.header.Load().Get("User-Agent"), "webhookd")
		require.Equal(t, []string{"Bearer token-1", "Bearer token-1"}, rig.got.all)
		require.EqualValues(t, 1, rig.fetched.Load())
	})
}

func TestServerThatWantsTheCredentialsInTheBodyIsAskedThatWayFromThenOn(t *testing.T) {
	rig := &tokenRig{answer: func(w http.ResponseWriter, r *http.Request, number int32) {
		if r.PostForm.Get("client_secret") != "topsecret" {
			refuseToken(w, http.StatusUnauthorized, "invalid_client")
			return
		}
		expiring(1)(w, r, number)
	}}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		require.EqualValues(t, 2, rig.fetched.Load())
		time.Sleep(2 * time.Second)
		rig.deliver(t)
		require.EqualValues(t, 3, rig.fetched.Load())
	})
}

func TestFiftySendersFetchOneToken(t *testing.T) {
	rig := &tokenRig{answer: func(w http.ResponseWriter, r *http.Request, number int32) {
		time.Sleep(time.Second)
		expiring(3600)(w, r, number)
	}}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		rig.deliverConcurrently(t, 50)

		require.EqualValues(t, 1, rig.fetched.Load())
		require.Len(t, rig.got.all, 50)
	})
}

func (r *tokenRig) deliverConcurrently(t *testing.T, senders int) {
	t.Helper()
	outcomes := make(chan messages.Outcome, senders)
	var sending sync.WaitGroup
	for range senders {
		event := newEvent(t, 0)
		sending.Go(func() { outcomes <- r.client.sendEvent(t.Context(), event) })
	}
	sending.Wait()
	for range senders {
		outcome := <-outcomes
		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	}
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	for seconds, renewedAfter := range map[int]time.Duration{
		3600: 3240 * time.Second, // a tenth before
		60:   50 * time.Second,   // ten seconds before
		10:   5 * time.Second,    // half of its life
		1:    500 * time.Millisecond,
	} {
		inVirtualOAuth2(t, &tokenRig{answer: expiring(seconds)}, func(t *testing.T, rig *tokenRig) {
			rig.deliver(t)
			time.Sleep(renewedAfter - time.Millisecond)
			rig.deliver(t)
			synctest.Wait()
			require.EqualValues(t, 1, rig.fetched.Load(), "expires_in %d", seconds)

			time.Sleep(time.Millisecond)
			rig.deliver(t)
			synctest.Wait()
			rig.deliver(t)

			require.EqualValues(t, 2, rig.fetched.Load(), "expires_in %d", seconds)
			require.Equal(t, "Bearer token-2", rig.got.all[3])
		})
	}
}

func TestTokenThatEndedIsNotSent(t *testing.T) {
	inVirtualOAuth2(t, &tokenRig{answer: expiring(60)}, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		time.Sleep(time.Minute)
		rig.deliver(t)

		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, rig.got.all)
	})
}

func TestTokenWithoutExpiryServesUntilItIsRefused(t *testing.T) {
	inVirtualOAuth2(t, &tokenRig{answer: expiring(0)}, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		time.Sleep(1000 * time.Hour)
		rig.deliver(t)
		require.EqualValues(t, 1, rig.fetched.Load())

		rig.accept = func(authorization string) bool { return authorization != "Bearer token-1" }
		rig.deliver(t)

		require.EqualValues(t, 2, rig.fetched.Load())
		require.Equal(t, []string{"Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"}, rig.got.all)
	})
}

func TestTokenThatNeverLivesIsFetchedOnceASecond(t *testing.T) {
	inVirtualOAuth2(t, &tokenRig{answer: expiring(-5)}, func(t *testing.T, rig *tokenRig) {
		for range 100 {
			rig.deliver(t)
			time.Sleep(10 * time.Millisecond)
		}

		require.LessOrEqual(t, rig.fetched.Load(), int32(3))
	})
}

func TestEndpointThatRefusesATokenEarlierGetsAnotherWithinTheAttempt(t *testing.T) {
	refused := atomic.Bool{}
	rig := &tokenRig{answer: expiring(3600), accept: func(authorization string) bool {
		return authorization != "Bearer token-1" || !refused.Load()
	}}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		refused.Store(true)
		rig.deliver(t)
		rig.deliver(t)

		require.Equal(t, []string{"Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"}, rig.got.all)
	})
}

func TestFiftyRefusalsOfOneTokenFetchOneToken(t *testing.T) {
	for name, apart := range map[string]time.Duration{"at once": 0, "one after the other": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			var refusals atomic.Int32
			rig := &tokenRig{answer: expiring(3600), delay: time.Second, accept: func(authorization string) bool {
				if authorization == "Bearer token-1" {
					time.Sleep(apart * time.Duration(refusals.Add(1)))
					return false
				}
				return true
			}}
			inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
				rig.deliverConcurrently(t, 50)

				require.EqualValues(t, 2, rig.fetched.Load())
				require.Len(t, rig.got.all, 100)
			})
		})
	}
}

func TestEndpointThatRefusesEveryTokenCostsOneFetchAnAttempt(t *testing.T) {
	rig := &tokenRig{answer: expiring(3600), accept: func(string) bool { return false }}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		for attempt := range 5 {
			outcome, _ := send(t, rig.client)

			require.Equal(t, messages.OutcomeAway, outcome.Kind)
			require.Equal(t, 401, outcome.Status)
			require.EqualValues(t, attempt+2, rig.fetched.Load())
			require.Len(t, rig.got.all, 2*(attempt+1))
		}
	})
}

func TestTokenThatComesBackTheSameIsNotSentAgain(t *testing.T) {
	rig := &tokenRig{
		answer: func(w http.ResponseWriter, r *http.Request, _ int32) { expiring(3600)(w, r, 1) },
		accept: func(string) bool { return false },
	}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		outcome, _ := send(t, rig.client)

		require.Equal(t, 401, outcome.Status)
		require.Len(t, rig.got.all, 1)
		require.EqualValues(t, 2, rig.fetched.Load())
	})
}

func TestRefusalWithoutAnotherTokenTellsBoth(t *testing.T) {
	rig := &tokenRig{accept: func(string) bool { return false }}
	rig.answer = func(w http.ResponseWriter, r *http.Request, number int32) {
		if number > 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		expiring(3600)(w, r, number)
	}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		outcome, _ := send(t, rig.client)

		require.Equal(t, messages.OutcomeAway, outcome.Kind)
		require.Equal(t, 401, outcome.Status)
		require.True(t, outcome.Sent)
		require.EqualError(t, outcome.Err, "the endpoint answered 401 (Unauthorized), and no token from auth.oauth2: "+
			"the token server answered 500 (Internal Server Error)")
		require.Contains(t, Advice(outcome), "auth.oauth2.token_url")
	})
}

func TestRenewalThatFailsLeavesTheTokenInUse(t *testing.T) {
	rig := &tokenRig{}
	rig.answer = func(w http.ResponseWriter, r *http.Request, number int32) {
		if number > 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		expiring(100)(w, r, number)
	}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		rig.deliver(t)
		time.Sleep(90 * time.Second)
		for range 90 {
			rig.deliver(t)
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 3, rig.fetched.Load()) // the renewal is tried each five seconds

		time.Sleep(time.Second)
		rig.got.all = nil
		outcome, _ := send(t, rig.client)
		rig.requireNoToken(t, outcome)
	})
}

func TestTokenServerThatFailsIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, int32)
		text   string
		advice string
	}{
		"500":                     {status(500, "topsecret"), "500 (Internal Server Error)", "auth.oauth2.token_url"},
		"invalid_client":          {refusing(http.StatusUnauthorized, "invalid_client"), "401 (Unauthorized): invalid_client", "auth.oauth2.client_secret"},
		"invalid_scope":           {refusing(http.StatusBadRequest, "invalid_scope"), "400 (Bad Request): invalid_scope", "auth.oauth2.scopes"},
		"another code":            {refusing(http.StatusBadRequest, "invalid_target"), "400 (Bad Request): invalid_target", "auth.oauth2.params"},
		"code that is none":       {refusing(http.StatusBadRequest, "invalid\\n client"), "answered 400 (Bad Request)", "auth.oauth2.token_url"},
		"code that is the secret": {refusing(http.StatusBadRequest, "topsecret"), "answered 400 (Bad Request)", "auth.oauth2.token_url"},
		"error with 200":          {refusing(http.StatusOK, "invalid_client"), "invalid_client", "auth.oauth2.client_id"},
		"no JSON":                 {status(200, "topsecret"), "RFC 6749 §5.1", "auth.oauth2.token_url"},
		"no token":                {status(200, `{"topsecret":"topsecret"}`), "RFC 6749 §5.1", "auth.oauth2.token_url"},
		"bad token":               {status(200, `{"access_token":"topsecret\r\nX-Other: 1"}`), "no header can carry", "auth.oauth2.token_url"},
		"bad type":                {status(200, `{"access_token":"topsecret","token_type":"\u0000"}`), "no header can carry", "auth.oauth2.token_url"},
		"huge":                    {status(200, `{"access_token":"`+strings.Repeat("topsecret", 1<<16)), "over 65536 bytes", "auth.oauth2.token_url"},
		"huge headers": {func(w http.ResponseWriter, _ *http.Request, _ int32) {
			w.Header().Set("X", strings.Repeat("topsecret", 1<<14))
		}, "not valid HTTP", "auth.oauth2.token_url"},
		"redirect": {func(w http.ResponseWriter, r *http.Request, _ int32) {
			http.Redirect(w, r, "http://receiver.example/topsecret", http.StatusTemporaryRedirect)
		}, "307 (Temporary Redirect)", "auth.oauth2.token_url"},
		"hanging": {func(_ http.ResponseWriter, r *http.Request, _ int32) { <-r.Context().Done() }, "within timeout", "auth.oauth2.token_url"},
		"endless": {func(w http.ResponseWriter, _ *http.Request, _ int32) {
			for {
				if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, "", "auth.oauth2.token_url"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualOAuth2(t, &tokenRig{answer: c.answer}, func(t *testing.T, rig *tokenRig) {
				outcome, took := send(t, rig.client)

				rig.requireNoToken(t, outcome)
				require.ErrorContains(t, outcome.Err, c.text)
				require.Contains(t, Advice(outcome), c.advice)
				require.LessOrEqual(t, took, 5*time.Second)
				require.LessOrEqual(t, rig.fetched.Load(), int32(2))
			})
		})
	}
}

func TestTokenServerThatIsGoneIsAway(t *testing.T) {
	inVirtualOAuth2(t, &tokenRig{}, func(t *testing.T, rig *tokenRig) {
		delete(rig.networks, "auth.example")

		outcome, _ := send(t, rig.client)

		rig.requireNoToken(t, outcome)
	})
}

func TestSenderThatIsCalledOffWaitsForNoToken(t *testing.T) {
	rig := &tokenRig{answer: func(_ http.ResponseWriter, r *http.Request, _ int32) { <-r.Context().Done() }}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()

		outcome := rig.client.sendEvent(ctx, newEvent(t, 0))

		require.Equal(t, messages.OutcomeFailed, outcome.Kind)
		require.False(t, outcome.Sent)
		require.ErrorIs(t, outcome.Err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begun))
		rig.client.Close() // ends the fetch, and waits for its end
		require.Equal(t, time.Second, time.Since(begun))
	})
}

func TestErrorCodeThatRepeatsTheRequestIsNotShown(t *testing.T) {
	for _, code := range []string{"topsecret", "got.topsecret", "YWNtZTp0b3BzZWNyZXQy", "signed-assertion"} {
		rig := &tokenRig{answer: func(w http.ResponseWriter, _ *http.Request, _ int32) {
			refuseToken(w, http.StatusBadRequest, code)
		}}
		rig.change = func(endpoint *config.Endpoint) {
			settings := endpoint.Auth.OAuth2
			settings.Params = map[string]config.Secret{"client_assertion": "signed-assertion"}
			if code == "YWNtZTp0b3BzZWNyZXQy" { // what a header with basic credentials ends in
				settings.ClientID, settings.ClientSecret = "acme", "topsecret2"
			}
		}
		inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
			outcome, _ := send(t, rig.client)

			require.ErrorContains(t, outcome.Err, "answered 400 (Bad Request)")
			require.NotContains(t, outcome.Err.Error(), code)
		})
	}
}

func TestRequestWithAnotherTokenIsSignedAfresh(t *testing.T) {
	var requests []received
	rig := &tokenRig{answer: expiring(3600), delay: 2 * time.Second}
	rig.accept = func(authorization string) bool { return authorization == "Bearer token-2" }
	rig.inspect = record(&requests)
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		rig.client.signer = newSignerOf(t, vectorSecret)
		begun := time.Now()

		rig.deliver(t)

		require.Len(t, requests, 2)
		for i, request := range requests {
			require.Equal(t, fmt.Sprintf("Bearer token-%d", i+1), request.header.Get("Authorization"))
			sent := begun.Add(time.Duration(i) * 2 * time.Second)
			require.Equal(t, fmt.Sprint(sent.Unix()), request.header.Get("Webhook-Timestamp"))
			require.NoError(t, verifySignature(t, vectorSecret, request.body, request.header))
			require.Equal(t, requests[0].header.Get("Webhook-Id"), request.header.Get("Webhook-Id"))
			require.Equal(t, requests[0].body, request.body)
		}
		require.NotEqual(t, requests[0].header.Get("Webhook-Signature"), requests[1].header.Get("Webhook-Signature"))
	})
}

func TestTokenAndRequestsShareTheTimeout(t *testing.T) {
	rig := &tokenRig{delay: 4 * time.Second, answer: func(w http.ResponseWriter, r *http.Request, number int32) {
		time.Sleep(3 * time.Second)
		expiring(3600)(w, r, number)
	}}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		outcome, took := send(t, rig.client)

		requireBroken(t, outcome)
		require.Equal(t, 5*time.Second, took)
	})
}

func status(code int, body string) func(http.ResponseWriter, *http.Request, int32) {
	return func(w http.ResponseWriter, _ *http.Request, _ int32) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func refusing(code int, reason string) func(http.ResponseWriter, *http.Request, int32) {
	return func(w http.ResponseWriter, _ *http.Request, _ int32) { refuseToken(w, code, reason) }
}

// refuseToken answers as RFC 6749 §5.2 says.
func refuseToken(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"error":"%s","error_description":"topsecret"}`, reason)
}

func refusingClient(w http.ResponseWriter, _ *http.Request, _ int32) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"the secret topsecret\nof client has expired`+
		strings.Repeat("!", 300)+`"}`)
}

func TestWrongClientSecretIsShownToTheTokenServerOnceThenWithLongerAndLongerWaits(t *testing.T) {
	rig := &tokenRig{answer: refusingClient}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		begun := time.Now()
		var senders sync.WaitGroup
		for range 50 {
			senders.Go(func() {
				for time.Since(begun) < 10*time.Second {
					rig.client.sendEvent(t.Context(), newEvent(t, 0))
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		senders.Wait()

		require.EqualValues(t, 2+3, rig.fetched.Load()) // both ways at once; then one after 1 s, 2 s and 4 s
		time.Sleep(time.Hour)
		before := rig.fetched.Load()
		for range 600 {
			rig.requireNoToken(t, rig.client.sendEvent(t.Context(), newEvent(t, 0)))
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 21, rig.fetched.Load()-before) // at last one in 30 s
	})
}

func TestDescriptionOfATokenServersErrorIsShownWithoutSecrets(t *testing.T) {
	rig := &tokenRig{answer: refusingClient}
	inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
		outcome, _ := send(t, rig.client)

		require.ErrorContains(t, outcome.Err, `invalid_client (the secret [secret]\nof client has expired!!!`)
		require.Less(t, len(outcome.Err.Error()), 400)
		require.Contains(t, Advice(outcome), "check auth.oauth2.client_id and auth.oauth2.client_secret")
	})
}

func TestCredentialsAreShownEitherWayAgainAfterBothWereRefused(t *testing.T) {
	for name, inHeader := range map[string]bool{"in the header": true, "in the body": false} {
		t.Run(name, func(t *testing.T) {
			var secretIsRight atomic.Bool
			rig := &tokenRig{answer: func(w http.ResponseWriter, r *http.Request, number int32) {
				if _, _, basic := r.BasicAuth(); basic != inHeader || !secretIsRight.Load() {
					refusingClient(w, r, number)
					return
				}
				expiring(3600)(w, r, number)
			}}
			inVirtualOAuth2(t, rig, func(t *testing.T, rig *tokenRig) {
				outcome, _ := send(t, rig.client)
				require.Equal(t, messages.OutcomeAway, outcome.Kind)
				secretIsRight.Store(true)

				require.Eventually(t, func() bool {
					outcome, _ := send(t, rig.client)
					return outcome.Kind == messages.OutcomeDelivered
				}, 5*time.Second, 100*time.Millisecond)
				rig.deliver(t)
			})
		})
	}
}
