package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// event is an event as a sender gives it, and sent the same as the router sends it on.
func event(id string) string {
	return `{"event_id":"` + id + `","event_type":"auth.success","data":{"client_id":"c"}}`
}

func sent(id string) string {
	return `{"event_type":"auth.success","event_id":"` + id + `","timestamp":"2026-02-05T12:00:00.000000000Z","broker_id":"here",` +
		`"data":{"client_id":"c","remote_addr":""}}`
}

func TestEveryFormIsTaken(t *testing.T) {
	two := event("e-1") + "\n" + event("e-2")
	for name, c := range map[string]struct {
		contentType, body string
		ids               []string
	}{
		"an object":             {"application/json", event("e-1"), []string{"e-1"}},
		"an object in space":    {"application/json", " \r\n\t" + event("e-1") + "\n\n", []string{"e-1"}},
		"with a charset":        {`Application/JSON; charset="UTF-8"`, event("e-1"), []string{"e-1"}},
		"an array of one":       {"application/json", "[" + event("e-1") + "]", []string{"e-1"}},
		"an array":              {"application/json", " [ " + event("e-2") + " ,\n" + event("e-1") + " ] ", []string{"e-2", "e-1"}},
		"a line":                {"application/x-ndjson", event("e-1"), []string{"e-1"}},
		"lines":                 {"application/x-ndjson", two, []string{"e-1", "e-2"}},
		"lines with an end":     {"application/x-ndjson; charset=utf-8", two + "\n", []string{"e-1", "e-2"}},
		"lines of DOS":          {"application/x-ndjson", strings.ReplaceAll(two, "\n", "\r\n"), []string{"e-1", "e-2"}},
		"lines and blank lines": {"application/x-ndjson", "\n \n" + two + "\n\n", []string{"e-1", "e-2"}},
		"jsonl":                 {"application/jsonl", two, []string{"e-1", "e-2"}},
		"x-jsonlines":           {"application/x-jsonlines", two, []string{"e-1", "e-2"}},
		"as many as the queue": {
			"application/json", "[" + event("1") + "," + event("2") + "," + event("3") + "," + event("4") + "," + event("5") + "]",
			[]string{"1", "2", "3", "4", "5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, &recorder{})
			got := s.post(t, c.contentType, c.body)
			require.Equal(t, http.StatusAccepted, got.status, got.body)
			require.Equal(t, `{"event_ids":["`+strings.Join(c.ids, `","`)+`"]}`, got.body)
			var want []string
			for _, id := range c.ids {
				want = append(want, sent(id))
			}
			require.Equal(t, [][]string{want}, s.router.calls(), "one call with all events")
		})
	}
}

func TestIdentityIsKeptOrFilledIn(t *testing.T) {
	s := start(t, &recorder{})
	const data = `"event_type":"auth.success","data":{"client_id":"c"}`
	got := s.post(t, "application/json",
		`[{`+data+`},{`+data+`,"event_id":"mine","timestamp":"2025-01-01T01:00:00.5+01:00","broker_id":"elsewhere"},{`+data+`}]`)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	ids := strings.Split(strings.TrimSuffix(strings.TrimPrefix(got.body, `{"event_ids":["`), `"]}`), `","`)
	require.Len(t, ids, 3)
	require.NoError(t, uuid.Validate(ids[0]))
	require.NoError(t, uuid.Validate(ids[2]))
	require.NotEqual(t, ids[0], ids[2])
	require.Equal(t, [][]string{{
		sent(ids[0]),
		`{"event_type":"auth.success","event_id":"mine","timestamp":"2025-01-01T00:00:00.500000000Z","broker_id":"elsewhere",` +
			`"data":{"client_id":"c","remote_addr":""}}`,
		sent(ids[2]),
	}}, s.router.calls())
}

func TestBadRequestIsRefusedWhole(t *testing.T) {
	s := start(t, &recorder{})
	const jsonType, linesType = "application/json", "application/x-ndjson"
	bad := `{"event_type":"message.retained","data":{"topic":"a/+"}}`
	badTopic := `"field":"data.topic","problem":"is a topic name, which holds no wildcard"`
	var six strings.Builder
	for i := range 6 {
		six.WriteString(event(fmt.Sprint("e", i)) + "\n")
	}
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		failure           string // inside {"error":{…}}
	}{
		"empty body":           {jsonType, "", 400, `"problem":"the body holds no event"`},
		"blank body":           {jsonType, " \n", 400, `"problem":"the body holds no event"`},
		"empty array":          {jsonType, "[ ]", 400, `"problem":"the body holds no event"`},
		"no line":              {linesType, "", 400, `"problem":"the body holds no event"`},
		"blank lines":          {linesType, "\n \n", 400, `"problem":"the body holds no event"`},
		"no JSON":              {jsonType, "<event/>", 400, `"item":1,"problem":"is no JSON: invalid character '<' looking for beginning of value"`},
		"no event":             {jsonType, `7`, 400, `"item":1,"problem":"is a JSON number, not an object"`},
		"cut off":              {jsonType, `{"event_type":`, 400, `"problem":"the body ends too early"`},
		"array cut at once":    {jsonType, "[", 400, `"problem":"the body ends too early"`},
		"array cut off":        {jsonType, "[" + event("e-1"), 400, `"problem":"the body ends too early"`},
		"array cut in an item": {jsonType, "[" + event("e-1") + ",{", 400, `"problem":"the body ends too early"`},
		"array without comma":  {jsonType, "[" + event("e-1") + event("e-2") + "]", 400, `"item":2,"problem":"is no JSON: invalid character '{' after array element"`},
		"array closed wrongly": {jsonType, "[" + event("e-1") + "}", 400, `"item":2,"problem":"is no JSON: invalid character '}' after array element"`},
		"comma too many":       {jsonType, "[" + event("e-1") + ",]", 400, `"item":2,"problem":"is no JSON: invalid character ']' looking for beginning of value"`},
		"more after the array": {jsonType, "[" + event("e-1") + "]]", 400, `"problem":"more follows the array"`},
		"lines called JSON":    {jsonType, event("e-1") + "\n" + event("e-2"), 400, `"problem":"more follows the event: several go into an array, or are sent as application/x-ndjson"`},
		"garbage at the end":   {jsonType, event("e-1") + "x", 400, `"problem":"more follows the event: several go into an array, or are sent as application/x-ndjson"`},
		"array called lines":   {linesType, "[" + event("e-1") + "]", 400, `"item":1,"line":1,"problem":"is a JSON array, not an object"`},
		"two events in a line": {linesType, event("e-1") + event("e-2"), 400, `"item":1,"line":1,"problem":"more follows the event's JSON object"`},
		"event over two lines": {linesType, "{\n" + event("e-1")[1:], 400, `"item":1,"line":1,"problem":"is no JSON: unexpected EOF"`},
		"bad field":            {jsonType, bad, 400, `"item":1,` + badTopic},
		"bad third item":       {jsonType, "[" + event("e-1") + "," + event("e-2") + "," + bad + "," + event("e-4") + "]", 400, `"item":3,` + badTopic},
		"bad line":             {linesType, event("e-1") + "\n\n" + bad + "\n" + event("e-4"), 400, `"item":2,"line":3,` + badTopic},
		"unknown field":        {jsonType, `{"id":"x"}`, 400, `"item":1,"field":"id","problem":"is not a field of this event"`},
		"bad id":               {jsonType, event("a b"), 400, `"item":1,"field":"event_id","problem":"must have 1 to 64 characters of A-Z a-z 0-9 _ -"`},
		"invalid UTF-8":        {jsonType, `{"x":"` + "\xff" + `"}`, 400, `"item":1,"problem":"is no JSON: it is not valid UTF-8"`},
		"one id twice":         {jsonType, "[" + event("e-1") + "," + event("e-2") + "," + event("e-1") + "]", 400, `"item":3,"field":"event_id","problem":"is that of item 1 too"`},
		"one id on two lines":  {linesType, event("e-1") + "\n\n" + event("e-1"), 400, `"item":2,"line":3,"field":"event_id","problem":"is that of item 1 too"`},
		"too many lines":       {linesType, six.String(), 413, `"problem":"the body holds more than 5 events"`},
		"too many items":       {jsonType, "[" + strings.ReplaceAll(strings.TrimSpace(six.String()), "\n", ",") + "]", 413, `"problem":"the body holds more than 5 events"`},
	} {
		got := s.post(t, c.contentType, c.body)
		require.Equal(t, c.status, got.status, "%s: %s", name, got.body)
		require.Equal(t, `{"error":{`+c.failure+`}}`, got.body, name)
	}
	require.Empty(t, s.router.calls())
}

func TestRequestIsJudgedByItsHead(t *testing.T) {
	s := start(t, &recorder{})
	const (
		unsupportedType   = "Content-Type must be application/json or application/x-ndjson, in UTF-8"
		unsupportedCoding = "the body must have no Content-Encoding"
	)
	for name, c := range map[string]struct {
		change        func(*http.Request)
		status        int
		header, value string
		problem       string
	}{
		"another path":       {func(r *http.Request) { r.URL.Path = "/v1/event" }, 404, "", "", "events go to /v1/events"},
		"a path below":       {func(r *http.Request) { r.URL.Path = "/v1/events/" }, 404, "", "", "events go to /v1/events"},
		"GET":                {func(r *http.Request) { r.Method = http.MethodGet }, 405, "Allow", "POST", "events are sent with POST"},
		"PUT":                {func(r *http.Request) { r.Method = http.MethodPut }, 405, "Allow", "POST", "events are sent with POST"},
		"no Content-Type":    {func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "Accept", "application/json, application/x-ndjson", unsupportedType},
		"a form":             {set("Content-Type", "application/x-www-form-urlencoded"), 415, "Accept", "application/json, application/x-ndjson", unsupportedType},
		"no media type":      {set("Content-Type", "application/json; charset"), 415, "Accept", "application/json, application/x-ndjson", unsupportedType},
		"another charset":    {set("Content-Type", "application/json; charset=iso-8859-1"), 415, "Accept", "application/json, application/x-ndjson", unsupportedType},
		"gzip":               {set("Content-Encoding", "gzip"), 415, "Accept-Encoding", "identity", unsupportedCoding},
		"gzip, then nothing": {set("Content-Encoding", "identity, gzip"), 415, "Accept-Encoding", "identity", unsupportedCoding},
	} {
		r := s.request(t, strings.NewReader(event("e-1")))
		c.change(r)
		got := s.send(t, r)
		require.Equal(t, c.status, got.status, name)
		require.Equal(t, `{"error":{"problem":"`+c.problem+`"}}`, got.body, name)
		if c.header != "" {
			require.Equal(t, []string{c.value}, got.header.Values(c.header), name)
		}
	}
	require.Empty(t, s.router.calls())

	r := s.request(t, strings.NewReader(event("e-1")))
	r.Header.Set("Content-Encoding", "Identity")
	require.Equal(t, http.StatusAccepted, s.send(t, r).status)
}

func set(header, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(header, value) }
}

func TestTokenIsRequired(t *testing.T) {
	s := start(t, &recorder{})
	const (
		unasked = `Bearer realm="webhookd"`
		invalid = `Bearer realm="webhookd", error="invalid_token"`
	)
	for name, c := range map[string]struct{ authorization, challenge, problem string }{
		"none":             {"", unasked, "a bearer token is required"},
		"another scheme":   {"Basic dXNlcjpzM2NyM3QtdDBrZW4=", unasked, "a bearer token is required"},
		"the token alone":  {token, unasked, "a bearer token is required"},
		"no token":         {"Bearer", invalid, "the bearer token is wrong"},
		"another token":    {"Bearer other", invalid, "the bearer token is wrong"},
		"half the token":   {"Bearer " + token[:6], invalid, "the bearer token is wrong"},
		"more than it":     {"Bearer " + token + "x", invalid, "the bearer token is wrong"},
		"in another case":  {"Bearer " + strings.ToUpper(token), invalid, "the bearer token is wrong"},
		"what a dump says": {"Bearer [secret]", invalid, "the bearer token is wrong"},
	} {
		r := s.request(t, strings.NewReader(event("e-1")))
		r.Header.Set("Authorization", c.authorization)
		got := s.send(t, r)
		require.Equal(t, http.StatusUnauthorized, got.status, name)
		require.Equal(t, []string{c.challenge}, got.header.Values("WWW-Authenticate"), name)
		require.Equal(t, `{"error":{"problem":"`+c.problem+`"}}`, got.body, name)
	}
	require.Empty(t, s.router.calls())

	r := s.request(t, strings.NewReader(event("e-1")))
	r.Header.Set("Authorization", "bearer  "+token)
	require.Equal(t, http.StatusAccepted, s.send(t, r).status, "the scheme is taken in any case")
}

func TestWithoutATokenEverybodyMaySend(t *testing.T) {
	s := start(t, &recorder{}, func(s *Server) { s.token = nil })
	r := s.request(t, strings.NewReader(event("e-1")))
	r.Header.Del("Authorization")
	require.Equal(t, http.StatusAccepted, s.send(t, r).status)
}

func TestRefusalOfTheRouterReachesTheSender(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		retryAfter string
		problem    string
	}{
		"full":      {messages.ErrQueueFull, 503, "1", "the queue is full"},
		"closed":    {fmt.Errorf("notify: %w", messages.ErrClosed), 503, "1", "notify: the router is closed"},
		"unsafe":    {fmt.Errorf("sync /var/lib/x: %w", messages.ErrUnavailable), 503, "1", "the events can't be kept safe at this moment"},
		"too large": {messages.ErrTooLarge, 413, "", "the events are larger than the whole queue"},
		"any other": {errors.New("secret detail"), 500, "", "the events could not be handed over"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, &recorder{err: c.err})
			got := s.post(t, "application/json", event("e-1"))
			require.Equal(t, c.status, got.status)
			require.Equal(t, c.retryAfter, got.header.Get("Retry-After"))
			require.Equal(t, `{"error":{"problem":"`+c.problem+`"}}`, got.body)
			require.Equal(t, c.status == 500, strings.Contains(s.logged.String(), `msg="ingest could not hand events over" events=1 error="secret detail"`))
		})
	}
}

func TestBodyIsTakenUpToItsLimit(t *testing.T) {
	for name, contentType := range map[string]string{"JSON": "application/json", "lines": "application/x-ndjson"} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %t", name, chunked), func(t *testing.T) {
				s := start(t, &recorder{})
				for size, status := range map[int]int{maxBody: 202, maxBody + 1: 413, 20 * maxBody: 413} {
					var body io.Reader = strings.NewReader(event("e-1") + strings.Repeat(" ", size-len(event("e-1"))))
					if chunked {
						body = io.MultiReader(body) // hides the length
					}
					r := s.request(t, body)
					r.Header.Set("Content-Type", contentType)
					require.Equal(t, chunked, r.ContentLength == 0)
					got := s.send(t, r)
					require.Equal(t, status, got.status, "%d bytes", size)
					if status == 413 {
						require.Equal(t, `{"error":{"problem":"the body has more than 2000 bytes"}}`, got.body)
					}
				}
				require.Equal(t, [][]string{{sent("e-1")}}, s.router.calls())
			})
		}
	}
}

func TestLogHoldsNeitherTokenNorPayload(t *testing.T) {
	s := start(t, &recorder{})
	s.post(t, "application/json", `{"event_type":"message.published","data":{"client_id":"c","topic":"a/#","payload":"cGF5bG9hZA=="}}`)
	s.post(t, "application/json", `{"event_type":"cGF5bG9hZA=="}`)
	r := s.request(t, strings.NewReader(event("e-1")))
	r.Header.Set("Authorization", "Bearer almost-"+token)
	s.send(t, r)
	require.Contains(t, s.logged.String(), "status=400 item=1 field=data.topic")
	require.Contains(t, s.logged.String(), "status=401")
	require.NotContains(t, s.logged.String(), "cGF5bG9hZA")
	require.NotContains(t, s.logged.String(), token)
}

func TestPropertiesOfAMessageAreTaken(t *testing.T) {
	s := start(t, &recorder{})
	const data = `"data":{"client_id":"c","topic":"a","qos":0,"retained":false,"payload_size":1,"payload":"eA==",` +
		`"content_type":"text/plain","user_properties":[{"name":"n","value":"v"},{"name":"n","value":""}]}`
	got := s.post(t, "application/json", `{"event_type":"message.published","event_id":"e-1",`+data+`}`)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Equal(t, [][]string{{`{"event_type":"message.published","event_id":"e-1",` +
		`"timestamp":"2026-02-05T12:00:00.000000000Z","broker_id":"here",` + data + `}`}}, s.router.calls())

	got = s.post(t, "application/json",
		`{"event_type":"message.published","data":{"client_id":"c","topic":"a","user_properties":[{"name":"n"},{"value":"\u0000"}]}}`)
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Equal(t, `{"error":{"item":1,"field":"data.user_properties[1].value","problem":"holds U+0000"}}`, got.body)
}
