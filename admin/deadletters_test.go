package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/store"
)

// newMoodyReceiver answers 400 until it is told to take events.
func newMoodyReceiver(t *testing.T) (url string, takes *atomic.Bool) {
	t.Helper()
	takes = new(atomic.Bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !takes.Load() {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, takes
}

// call sends a request with the token, whose body is JSON where it has one.
func (r rig) call(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr().String()+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := r.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, strings.TrimSpace(string(text))}
}

func (r rig) list(t *testing.T, query string) store.DeadLetterPage {
	t.Helper()
	got := r.call(t, http.MethodGet, "/v1/dead-letters"+query, "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	var page store.DeadLetterPage
	require.NoError(t, json.Unmarshal([]byte(got.body), &page))
	return page
}

func (r rig) replay(t *testing.T, filter string) store.ReplayResult {
	t.Helper()
	got := r.call(t, http.MethodPost, "/v1/dead-letters/replay", filter)
	require.Equal(t, http.StatusOK, got.status, got.body)
	var result store.ReplayResult
	require.NoError(t, json.Unmarshal([]byte(got.body), &result))
	require.WithinDuration(t, time.Now(), result.Until, patience)
	result.Until = time.Time{}
	return result
}

// newRigWithLetters has this many dead letters of each of two endpoints, a and b.
func newRigWithLetters(t *testing.T, letters int) (r rig, takes *atomic.Bool) {
	t.Helper()
	url, takes := newMoodyReceiver(t)
	r = newRig(t, config.Endpoint{Name: "a", URL: url, Workers: 1}, config.Endpoint{Name: "b", URL: url, Workers: 1})
	r.publish(t, "t", letters)
	require.Eventually(t, func() bool { return len(r.router.DeadLetters()) == 2*letters }, patience, time.Millisecond)
	return r, takes
}

func TestDeadLettersAreListedShownAndReplayed(t *testing.T) {
	r, takes := newRigWithLetters(t, 3)
	page := r.list(t, "?endpoint=a")
	require.Len(t, page.Letters, 3)
	require.Empty(t, page.Next)
	letter := page.Letters[0]
	require.Equal(t, "a", letter.Endpoint)
	require.Equal(t, "message.published", letter.EventType)
	require.Equal(t, "rejected", letter.Reason)
	require.Equal(t, 400, letter.LastStatus)
	require.Nil(t, letter.Event, "a list shows no event")

	got := r.call(t, http.MethodGet, "/v1/dead-letters/"+letter.ID.String(), "")
	require.Equal(t, http.StatusOK, got.status)
	require.Contains(t, got.body, `"event":{"event_type":"message.published","event_id":"`+letter.EventID+`"`)

	takes.Store(true)
	ids := "?ids=" + letter.ID.String() + "," + page.Letters[2].ID.String()
	require.Len(t, r.list(t, ids).Letters, 2)
	require.Equal(t, store.ReplayResult{Chosen: 1, Accepted: 1}, r.replay(t, `{"ids":["`+letter.ID.String()+`"]}`))
	require.Len(t, r.list(t, ids).Letters, 1)
	require.Len(t, r.list(t, "?endpoint=a").Letters, 2)
	until := `{"endpoint":"a","until":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"`
	require.Equal(t, store.ReplayResult{Chosen: 2}, r.replay(t, until+`,"dry_run":true}`))
	require.Len(t, r.list(t, "?endpoint=a").Letters, 2)
	require.Equal(t, store.ReplayResult{Chosen: 2, Accepted: 2}, r.replay(t, until+`,"dry_run":false}`))
	require.Zero(t, r.replay(t, `{"endpoint":"a"}`))
	require.Len(t, r.list(t, "?type=message.published").Letters, 3)
	require.Empty(t, r.list(t, "?type=client.connected").Letters)
	require.Len(t, r.list(t, "").Letters, 3)
	require.Equal(t, store.ReplayResult{Chosen: 3, Accepted: 3}, r.replay(t, `{"per_second":1000}`))
	require.Eventually(t, func() bool { return r.router.Stats().Endpoints[0].Held() == 0 }, patience, time.Millisecond)

	scrape := r.scrape(t)
	scrape.requireBalanced(t, "a", "b")
	require.Equal(t, 3.0, scrape.sum(t, "webhookd_endpoint_accepted_events_total", labels{"endpoint": "a", "origin": "router"}))
	require.Equal(t, 3.0, scrape.sum(t, "webhookd_endpoint_accepted_events_total", labels{"endpoint": "a", "origin": "replay"}))
}

func TestChosenDeadLettersAreDeleted(t *testing.T) {
	r, _ := newRigWithLetters(t, 3)
	remove := func(body string) (result store.DeleteResult) {
		got := r.call(t, http.MethodPost, "/v1/dead-letters/delete", body)
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.NoError(t, json.Unmarshal([]byte(got.body), &result))
		require.WithinDuration(t, time.Now(), result.Until, patience)
		result.Until = time.Time{}
		return result
	}
	require.Equal(t, store.DeleteResult{Chosen: 3}, remove(`{"endpoint":"a","dry_run":true}`))
	require.Len(t, r.list(t, "").Letters, 6)
	require.Equal(t, store.DeleteResult{Chosen: 3, Deleted: 3}, remove(`{"endpoint":"a"}`))
	left := r.list(t, "").Letters
	require.Len(t, left, 3)
	require.Equal(t, store.DeleteResult{Chosen: 1, Deleted: 1}, remove(`{"ids":["`+left[1].ID.String()+`"]}`))
	require.Equal(t, []*store.DeadLetterRecord{left[0], left[2]}, r.list(t, "").Letters)
	require.Equal(t, store.DeleteResult{Chosen: 2, Deleted: 2}, remove(`{}`))
	require.Zero(t, r.router.Stats().Endpoints[0].AcceptedReplay)
}

func TestExportIsALineForEachDeadLetterWithItsEvent(t *testing.T) {
	r, _ := newRigWithLetters(t, 3)
	got := r.call(t, http.MethodPost, "/v1/dead-letters/export", `{"endpoint":"b"}`)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "application/x-ndjson", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	lines := strings.Split(got.body, "\n")
	require.Len(t, lines, 3)
	for i, listed := range r.list(t, "?endpoint=b").Letters {
		shown := r.call(t, http.MethodGet, "/v1/dead-letters/"+listed.ID.String(), "")
		require.Equal(t, shown.body, lines[i])
		require.Contains(t, lines[i], `"event":{"event_type":`)
	}
	got = r.call(t, http.MethodPost, "/v1/dead-letters/export", `{"endpoint":"none"}`)
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
}

func TestListGoesOnWhereAPageEnds(t *testing.T) {
	r, _ := newRigWithLetters(t, 5)
	var ids []uuid.UUID
	pages := 0
	for after := ""; ; {
		page := r.list(t, "?limit=4"+after)
		pages++
		for _, letter := range page.Letters {
			ids = append(ids, letter.ID)
		}
		if page.Next == "" {
			break
		}
		require.Len(t, page.Letters, 4)
		after = "&after=" + page.Next
	}
	require.Equal(t, 3, pages)
	require.Len(t, ids, 10)
	for i, letter := range r.list(t, "").Letters {
		require.Equal(t, letter.ID, ids[i])
	}
}

func TestWithoutTheTokenNothingIsShownOrDone(t *testing.T) {
	r, _ := newRigWithLetters(t, 1)
	id := r.list(t, "").Letters[0].ID.String()
	routes := map[string]string{"/v1/dead-letters": http.MethodGet, "/v1/dead-letters/" + id: http.MethodGet, "/v1/dead-letters/replay": http.MethodPost,
		"/v1/dead-letters/delete": http.MethodPost, "/v1/dead-letters/export": http.MethodPost}
	for path, method := range routes {
		for authorization, challenge := range map[string]string{
			"":                    `Bearer realm="webhookd"`,
			"Basic " + token:      `Bearer realm="webhookd"`,
			"Bearer":              `Bearer realm="webhookd", error="invalid_token"`,
			"Bearer wrong":        `Bearer realm="webhookd", error="invalid_token"`,
			"Bearer " + token[1:]: `Bearer realm="webhookd", error="invalid_token"`,
		} {
			got := r.call(t, method, path, "{}", "Authorization", authorization)
			require.Equal(t, http.StatusUnauthorized, got.status, authorization)
			require.Equal(t, challenge, got.header.Get("WWW-Authenticate"))
			require.NotContains(t, got.body, id)
		}
		require.Equal(t, http.StatusOK, r.call(t, method, path, `{"endpoint":"none"}`, "Authorization", "bearer  "+token).status)
	}

	open, err := New(config.Admin{Listen: "127.0.0.1:0"}, r.router, version, discardLog)
	require.NoError(t, err)
	require.NoError(t, open.Start())
	defer func() { require.NoError(t, open.Close(t.Context())) }()
	unguarded := rig{Server: open, client: r.client}
	for path, method := range routes {
		got := unguarded.call(t, method, path, "{}", "Authorization", "Bearer ")
		require.Equal(t, http.StatusForbidden, got.status)
		require.JSONEq(t, `{"error":{"problem":"this needs a bearer token, and none is configured: set admin.token"}}`, got.body)
	}
}

func TestTokenBesideAnotherOneIsRefused(t *testing.T) {
	r := newRig(t)
	for _, tokens := range [][]string{{token, "wrong"}, {"wrong", token}, {token, token}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr().String()+"/v1/dead-letters", nil)
		require.NoError(t, err)
		for _, token := range tokens {
			request.Header.Add("Authorization", "Bearer "+token)
		}
		response, err := r.client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
	}
}

func TestFilterThatIsThereButEmptyChoosesNothing(t *testing.T) {
	r, _ := newRigWithLetters(t, 1)
	for _, field := range []string{"ids", "endpoint", "type", "since", "until", "error"} {
		for _, empty := range []string{"null", `""`, "[]"} {
			for _, door := range []string{"replay", "delete", "export"} {
				got := r.call(t, http.MethodPost, "/v1/dead-letters/"+door, `{"`+field+`":`+empty+`}`)
				require.Equal(t, http.StatusBadRequest, got.status, "%s %s %s: %s", door, field, empty, got.body)
				require.Contains(t, got.body, `"field":"`+field+`"`)
			}
		}
	}
	require.Len(t, r.list(t, "").Letters, 2, "nothing was replayed or deleted")
}

func TestBadRequestsAreRefusedWithTheReason(t *testing.T) {
	r, _ := newRigWithLetters(t, 1)
	const list, replay = "/v1/dead-letters", "/v1/dead-letters/replay"
	const remove, export = "/v1/dead-letters/delete", "/v1/dead-letters/export"
	manyIDs := `{"ids":["` + strings.Repeat(uuid.Nil.String()+`","`, maxIDs) + uuid.Nil.String() + `"]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{http.MethodGet, list + "?limit=0", "", 400, `{"error":{"field":"limit","problem":"must be 1 to 1000"}}`},
		{http.MethodGet, list + "?limit=1001", "", 400, `{"error":{"field":"limit","problem":"must be 1 to 1000"}}`},
		{http.MethodGet, list + "?limit=1&limit=2", "", 400, `{"error":{"field":"limit","problem":"is there twice"}}`},
		{http.MethodGet, list + "?endpont=a", "", 400, `{"error":{"field":"endpont","problem":"is no parameter: there are after, endpoint, error, ids, limit, since, type, until"}}`},
		{http.MethodGet, list + "?since=yesterday", "", 400, `{"error":{"field":"since","problem":"is no time by RFC 3339, as 2026-02-05T12:00:00Z"}}`},
		{http.MethodGet, list + "?type=message", "", 400, `{"error":{"field":"type","problem":"is no event type"}}`},
		{http.MethodGet, list + "?ids=", "", 400, `{"error":{"field":"ids","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodGet, list + "?ids=" + uuid.NewString() + ",", "", 400, `{"error":{"field":"ids","problem":"has no UUID at place 2"}}`},
		{http.MethodGet, list + "?ids=" + strings.Repeat(uuid.Nil.String()+",", maxListedIDs) + uuid.Nil.String(), "", 400, `{"error":{"field":"ids","problem":"has more than 100"}}`},
		{http.MethodGet, list + "?after=1", "", 400, `{"error":{"field":"after","problem":"is no UUID"}}`},
		{http.MethodGet, list + "?error=" + strings.Repeat("x", 257), "", 400, `{"error":{"field":"error","problem":"has more than 256 bytes"}}`},
		{http.MethodGet, list + "?error=", "", 400, `{"error":{"field":"error","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodGet, list + "?endpoint", "", 400, `{"error":{"field":"endpoint","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodGet, list + "?type=&limit=1", "", 400, `{"error":{"field":"type","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodGet, list + "?since=", "", 400, `{"error":{"field":"since","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodGet, list + "?until=0001-01-01T00:00:00Z", "", 400, `{"error":{"field":"until","problem":"is no time by RFC 3339, as 2026-02-05T12:00:00Z"}}`},
		{http.MethodGet, list + "?after=", "", 400, `{"error":{"field":"after","problem":"is no UUID"}}`},
		{http.MethodGet, list + "?limit=", "", 400, `{"error":{"field":"limit","problem":"must be 1 to 1000"}}`},
		{http.MethodGet, list + "?%zz", "", 400, `{"error":{"problem":"the query can't be read"}}`},
		{http.MethodGet, list + "/7", "", 400, `{"error":{"field":"id","problem":"is no UUID"}}`},
		{http.MethodGet, list + "/" + uuid.NewString(), "", 404, `{"error":{"problem":"no dead letter with this id is kept"}}`},
		{http.MethodPost, replay, ``, 400, `{"error":{"problem":"the body is no filter: EOF"}}`},
		{http.MethodPost, replay, `null`, 400, `{"error":{"problem":"the body must be one JSON object"}}`},
		{http.MethodPost, replay, `{} {}`, 400, `{"error":{"problem":"the body must be one JSON object"}}`},
		{http.MethodPost, replay, `{"endpont":"a"}`, 400, `{"error":{"field":"endpont","problem":"is no field: there are ids, endpoint, error, since, type, until, dry_run, per_second"}}`},
		{http.MethodPost, replay, `{"Endpoint":"a"}`, 400, `{"error":{"field":"Endpoint","problem":"is no field: there are ids, endpoint, error, since, type, until, dry_run, per_second"}}`},
		{http.MethodPost, replay, `{"limit":"1"}`, 400, `{"error":{"field":"limit","problem":"is no field: there are ids, endpoint, error, since, type, until, dry_run, per_second"}}`},
		{http.MethodPost, remove, `{"per_second":1}`, 400, `{"error":{"field":"per_second","problem":"is no field: there are ids, endpoint, error, since, type, until, dry_run"}}`},
		{http.MethodPost, export, `{"dry_run":true}`, 400, `{"error":{"field":"dry_run","problem":"is no field: there are ids, endpoint, error, since, type, until"}}`},
		{http.MethodPost, replay, `{"dry_run":"true"}`, 400, `{"error":{"field":"dry_run","problem":"must be true or false"}}`},
		{http.MethodPost, remove, `{"dry_run":null}`, 400, `{"error":{"field":"dry_run","problem":"must be true or false"}}`},
		{http.MethodPost, replay, `{"per_second":0}`, 400, `{"error":{"field":"per_second","problem":"must be a number from 0.1 to 1000000"}}`},
		{http.MethodPost, replay, `{"per_second":0.09}`, 400, `{"error":{"field":"per_second","problem":"must be a number from 0.1 to 1000000"}}`},
		{http.MethodPost, replay, `{"per_second":1000001}`, 400, `{"error":{"field":"per_second","problem":"must be a number from 0.1 to 1000000"}}`},
		{http.MethodPost, replay, `{"per_second":null}`, 400, `{"error":{"field":"per_second","problem":"must be a number from 0.1 to 1000000"}}`},
		{http.MethodPost, replay, `{"per_second":"1"}`, 400, `{"error":{"field":"per_second","problem":"must be a number from 0.1 to 1000000"}}`},
		{http.MethodPost, replay, `{"endpoint":"a","endpoint":"b"}`, 400, `{"error":{"field":"endpoint","problem":"is there twice"}}`},
		{http.MethodPost, replay, `{"endpoint":["a"]}`, 400, `{"error":{"field":"endpoint","problem":"must be a text"}}`},
		{http.MethodPost, replay, `{"endpoint":"a"`, 400, `{"error":{"problem":"the body is no filter: EOF"}}`},
		{http.MethodPost, replay, `{"endpoint":`, 400, `{"error":{"problem":"the body is no filter: EOF"}}`},
		{http.MethodPost, replay, `{7:"a"}`, 400, `{"error":{"problem":"the body is no filter: invalid character '7'"}}`},
		{http.MethodPost, replay, `[]`, 400, `{"error":{"problem":"the body must be one JSON object"}}`},
		{http.MethodPost, replay, `{"since":"yesterday"}`, 400, `{"error":{"field":"since","problem":"is no time by RFC 3339, as 2026-02-05T12:00:00Z"}}`},
		{http.MethodPost, replay, `{"until":"0001-01-01T00:00:00Z"}`, 400, `{"error":{"field":"until","problem":"is no time by RFC 3339, as 2026-02-05T12:00:00Z"}}`},
		{http.MethodPost, replay + "?endpoint=c", `{}`, 400, `{"error":{"problem":"what chooses dead letters stands in the body, and there are no parameters"}}`},
		{http.MethodPost, replay, `{"ids":"` + uuid.NewString() + `"}`, 400, `{"error":{"field":"ids","problem":"must be an array of UUIDs"}}`},
		{http.MethodPost, replay, `{"ids":["` + uuid.NewString() + `",""]}`, 400, `{"error":{"field":"ids","problem":"has no UUID at place 2"}}`},
		{http.MethodPost, replay, `{"ids":[null]}`, 400, `{"error":{"field":"ids","problem":"has no UUID at place 1"}}`},
		{http.MethodPost, replay, `{"type":"message"}`, 400, `{"error":{"field":"type","problem":"is no event type"}}`},
		{http.MethodPost, replay, `{"endpoint":"` + strings.Repeat("x", 257) + `"}`, 400, `{"error":{"field":"endpoint","problem":"has more than 256 bytes"}}`},
		{http.MethodPost, replay, `{"ids":[]}`, 400, `{"error":{"field":"ids","problem":"is empty: leave it out to choose all"}}`},
		{http.MethodPost, replay, manyIDs, 400, `{"error":{"field":"ids","problem":"has more than 1000"}}`},
		{http.MethodPost, replay, strings.Repeat(" ", maxFilterBody-2) + `[]`, 400, `{"error":{"problem":"the body must be one JSON object"}}`},
		{http.MethodPost, replay, strings.Repeat(" ", maxFilterBody-1) + `{}`, 413, `{"error":{"problem":"the body has more than 65536 bytes"}}`},
	} {
		got := r.call(t, c.method, c.path, c.body)
		name := fmt.Sprintf("%s %.60s %.60s", c.method, c.path, c.body)
		require.Equal(t, c.status, got.status, name)
		require.JSONEq(t, c.answer, got.body, name)
	}
	require.Equal(t, http.StatusUnsupportedMediaType, r.call(t, http.MethodPost, replay, "{}", "Content-Type", "text/plain").status)
	require.Equal(t, http.StatusMethodNotAllowed, r.call(t, http.MethodDelete, list, "").status)
	require.Zero(t, r.replay(t, `{"ids":["`+strings.Repeat(uuid.Nil.String()+`","`, maxIDs-1)+uuid.Nil.String()+`"]}`))
	require.Len(t, r.list(t, "").Letters, 2, "nothing was replayed")

	r.stopRouter()
	for _, door := range []string{replay, remove, export} {
		got := r.call(t, http.MethodPost, door, "{}")
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Contains(t, got.body, "the router is closed")
	}
}
