package httpclient

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestEveryStatusMeansWhatTheRuleSays(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.WriteHeader(status)
	})
	away := []int{401, 403, 404, 405, 407, 410, 502, 503, 504}
	failed := []int{408, 425}
	event := newEvent(t, 0)

	for status := 200; status <= 599; status++ {
		want := messages.OutcomeFailed
		switch {
		case status < 300:
			want = messages.OutcomeDelivered
		case status == 429:
			want = messages.OutcomeThrottled
		case status < 400 || slices.Contains(away, status):
			want = messages.OutcomeAway
		case status < 500 && !slices.Contains(failed, status):
			want = messages.OutcomeRejected
		}
		client, err := New(endpointAt(fmt.Sprintf("%s/%d", server.URL, status)), quiet)
		require.NoError(t, err)

		outcome := client.sendEvent(t.Context(), event)
		client.Close()

		require.Equal(t, want, outcome.Kind, "status %d", status)
		require.Equal(t, status, outcome.Status)
		require.True(t, outcome.Sent)
		require.False(t, outcome.PauseAsked)
		require.Equal(t, want == messages.OutcomeDelivered, outcome.Err == nil, "status %d", status)
		require.Equal(t, want == messages.OutcomeDelivered, Advice(outcome) == "", "status %d", status)
	}
}

func TestStatusThatHTTPDoesNotKnowIsAFailure(t *testing.T) {
	for status, line := range map[int]string{
		600: "600 What",
		999: "999 What",
		101: "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			url := listen(t, answering("HTTP/1.1 "+line+"\r\n\r\n"))

			outcome := clientOf(t, url).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, messages.OutcomeFailed, outcome.Kind)
			require.Equal(t, status, outcome.Status)
			require.ErrorContains(t, outcome.Err, strconv.Itoa(status))
		})
	}
}

func TestSwitchedProtocolHoldsNobody(t *testing.T) {
	released := make(chan struct{})
	url := listen(t, func(conn net.Conn) {
		answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")(conn)
		_, _ = conn.Read(make([]byte, 1)) // until the client closes
		close(released)
	})
	begun := time.Now()

	outcome := clientOf(t, url).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeFailed, outcome.Kind)
	require.Less(t, time.Since(begun), maxDrainTime)
	<-released
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere []received
	other := serve(t, record(&elsewhere))
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, status)
			})
			endpoint := endpointAt(server.URL)
			endpoint.Headers = map[string]config.Secret{"Authorization": "Bearer token"}

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, messages.OutcomeAway, outcome.Kind)
			require.Equal(t, status, outcome.Status)
			require.Contains(t, Advice(outcome), "redirects are not followed")
			require.Empty(t, elsewhere)
		})
	}
}

func TestCookiesAreNotKept(t *testing.T) {
	var requests []received
	keep := record(&requests)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keep(w, r)
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	})
	client := clientOf(t, server.URL)

	client.sendEvent(t.Context(), newEvent(t, 0))
	client.sendEvent(t.Context(), newEvent(t, 0))

	require.Len(t, requests, 2)
	require.NotContains(t, requests[1].header, "Cookie")
}

func TestRetryAfterPausesOnlyWhereItMeansSomething(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		value  string
		asked  bool
		pause  time.Duration
	}{
		"429 in seconds":       {429, "120", true, 2 * time.Minute},
		"503 in seconds":       {503, "7", true, 7 * time.Second},
		"503 at a date passed": {503, "Sun, 06 Nov 1994 08:49:37 GMT", true, 0},
		"503 without":          {503, "", false, 0},
		"503 that is invalid":  {503, "soon", false, 0},
		"500":                  {500, "7", false, 0},
		"301":                  {301, "7", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.value)
				w.WriteHeader(c.status)
			})

			outcome := clientOf(t, server.URL).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, c.asked, outcome.PauseAsked)
			require.Equal(t, c.pause, outcome.Pause)
		})
	}
}
