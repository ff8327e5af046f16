package listen

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secretOne = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretTwo = "whsec_c2Vjb25kLXNlY29uZC1zZWNvbmQtc2Vjb25k"
)

// listening serves what `webhookd listen` does with these options, and returns what it printed.
func listening(t *testing.T, options Options) (url string, printed func() string) {
	t.Helper()
	options.Status, options.Every = http.StatusOK, 1
	var out bytes.Buffer
	receiver, err := New(options, &out)
	require.NoError(t, err)
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	return server.URL, func() string {
		receiver.mu.Lock()
		defer receiver.mu.Unlock()
		return out.String()
	}
}

func post(t *testing.T, url, body string, header http.Header) (status int) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func signed(t *testing.T, secret, body string, at time.Time) http.Header {
	t.Helper()
	key, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	signature, err := key.Sign("event-1", at, []byte(body))
	require.NoError(t, err)
	return http.Header{
		"Webhook-Id": {"event-1"}, "Webhook-Timestamp": {fmt.Sprint(at.Unix())}, "Webhook-Signature": {signature},
	}
}

func gzipOf(t *testing.T, body []byte) string {
	t.Helper()
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, err := writer.Write(body)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return compressed.String()
}

func TestOnlyARequestSignedWithOneOfTheSecretsIsTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(secretTwo+"\n"), 0o600))
	const body = `{"a":1}`
	now := time.Now()
	for name, c := range map[string]struct {
		header func() http.Header
		status int
		says   string
	}{
		"with the first":      {func() http.Header { return signed(t, secretOne, body, now) }, 200, `signature ok {"a":1} → 200`},
		"with that of a file": {func() http.Header { return signed(t, secretTwo, body, now) }, 200, `signature ok {"a":1} → 200`},
		"with another": {func() http.Header { return signed(t, "whsec_"+strings.Repeat("a", 32), body, now) }, 401,
			"refused: signed with another secret, or changed on its way → 401"},
		"over another body": {func() http.Header { return signed(t, secretOne, "{}", now) }, 401, "refused: signed with another secret"},
		"long ago":          {func() http.Header { return signed(t, secretOne, body, now.Add(-6*time.Minute)) }, 401, "refused: signed more than 5 minutes ago"},
		"in the future":     {func() http.Header { return signed(t, secretOne, body, now.Add(6*time.Minute)) }, 401, "refused: signed more than 5 minutes in the future"},
		"not at all":        {func() http.Header { return http.Header{} }, 401, "refused: not signed: webhook-id, "},
		"at no time": {func() http.Header {
			header := signed(t, secretOne, body, now)
			header.Set("webhook-timestamp", "yesterday")
			return header
		}, 401, "refused: webhook-timestamp is no number → 401"},
	} {
		t.Run(name, func(t *testing.T) {
			url, printed := listening(t, Options{Secrets: []string{secretOne, "@" + file}})
			require.Equal(t, c.status, post(t, url, body, c.header()))
			require.Contains(t, printed(), c.says)
			require.Equal(t, 1, strings.Count(printed(), "\n"))
		})
	}
}

func TestRefusedRequestDoesNotCountForEvery(t *testing.T) {
	receiver, err := New(Options{Status: 503, Every: 2, Secrets: []string{secretOne}}, &bytes.Buffer{})
	require.NoError(t, err)
	server := httptest.NewServer(receiver)
	defer server.Close()
	for _, want := range []int{200, 401, 503} {
		header := http.Header{}
		if want != 401 {
			header = signed(t, secretOne, "{}", time.Now())
		}
		require.Equal(t, want, post(t, server.URL, "{}", header))
	}
}

func TestSecretThatIsNoneIsNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("topsecret"), 0o600))
	for _, secret := range []string{"topsecret", "whsec_topsecret", "@" + file, "@/no/such/file", "@/dev/zero", ""} {
		_, err := New(Options{Secrets: []string{secretOne, secret}}, io.Discard)
		require.ErrorContains(t, err, "--secret")
		require.NotContains(t, err.Error(), "topsecret")
	}
}

func TestBodyIsReadWithinABound(t *testing.T) {
	event := []byte(`{"a": "` + strings.Repeat("x", 2000) + `"}`)
	for name, c := range map[string]struct {
		encoding, body string
		status         int
		says           string
	}{
		"gzip":              {"gzip", gzipOf(t, event), 200, `POST {"a":"xxx`},
		"gzip that bursts":  {"gzip", gzipOf(t, make([]byte, maxBody+1)), 413, "refused: the body is larger than 16 MiB → 413"},
		"too large":         {"", strings.Repeat("a", maxBody+1), 413, "refused: the body is larger than 16 MiB → 413"},
		"cut off":           {"gzip", gzipOf(t, event)[:30], 400, "refused: the body can't be read: unexpected EOF → 400"},
		"no gzip":           {"gzip", string(event), 400, "refused: the body can't be read: gzip: invalid header → 400"},
		"nothing, as gzip":  {"gzip", "", 400, "refused: the body can't be read: EOF → 400"},
		"another encoding":  {"br", "x", 415, `refused: the content encoding is "br", not gzip → 415`},
		"no encoding named": {"identity", "{}", 200, "POST {} → 200"},
	} {
		t.Run(name, func(t *testing.T) {
			url, printed := listening(t, Options{})
			header := http.Header{}
			if c.encoding != "" {
				header.Set("Content-Encoding", c.encoding)
			}
			require.Equal(t, c.status, post(t, url, c.body, header))
			require.Contains(t, printed(), c.says)
			require.Equal(t, 1, strings.Count(printed(), "\n"))
		})
	}
}

func TestSignatureOfAGzipBodyIsVerifiedAfterDecompression(t *testing.T) {
	url, printed := listening(t, Options{Secrets: []string{secretOne}})
	body := "[1,2] "
	header := signed(t, secretOne, body, time.Now())
	header.Set("Content-Encoding", "gzip")
	require.Equal(t, 200, post(t, url, gzipOf(t, []byte(body)), header))
	require.Contains(t, printed(), "POST signature ok array of 2 → 200\n  1\n  2\n")
}

func TestWhatArrivedIsDescribed(t *testing.T) {
	many := "[" + strings.Repeat("0,", 149) + "0]"
	for name, c := range map[string]struct {
		full              bool
		contentType, body string
		what              string
		items             int
		last              string
	}{
		"an event":              {false, "application/json", `{"a": 1}`, `{"a":1}`, 0, ""},
		"a cloud event":         {false, "application/cloudevents+json; charset=utf-8", `{"a": 1}`, `{"a":1}`, 0, ""},
		"no content type":       {false, "", `{"a": 1}`, `{"a":1}`, 0, ""},
		"a text":                {false, "text/plain; charset=utf-8", "21.5", "text/plain; charset=utf-8 21.5", 0, ""},
		"bytes":                 {false, "application/octet-stream", "\x00\x1b[2J", `application/octet-stream "\x00\x1b[2J"`, 0, ""},
		"a batch":               {false, "application/json", ` [{"a": 1}, {"b": 2}]`, "array of 2", 2, `{"b":2}`},
		"a batch of none":       {false, "application/json", `[]`, "array of 0", 0, ""},
		"what looks like one":   {false, "application/json", `[{"a": 1}, `, `[{"a": 1}, `, 0, ""},
		"more than anyone sees": {false, "application/json", many, "array of 150", 101, "… and 50 more"},
		"all of it":             {true, "application/json", many, "array of 150", 150, "0"},
		"the longest line":      {false, "", strings.Repeat("x", 400), strings.Repeat("x", 400), 0, ""},
		"a longer line":         {false, "", strings.Repeat("x", 401), strings.Repeat("x", 400) + "…", 0, ""},
		"a character cut apart": {false, "", "x" + strings.Repeat("é", 200), "x" + strings.Repeat("é", 199) + "…", 0, ""},
		"a longer line, whole":  {true, "", strings.Repeat("x", 401), strings.Repeat("x", 401), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			what, items := (&Options{Full: c.full}).described(c.contentType, []byte(c.body))
			require.Equal(t, c.what, what)
			require.Len(t, items, c.items)
			if c.items > 0 {
				require.Equal(t, c.last, items[len(items)-1])
			}
		})
	}
}

func FuzzDescribed(f *testing.F) {
	f.Add("application/json", []byte(`[{"a":1},"\u001b[2J"]`))
	f.Add("text/\x1b[2J", []byte("\x1b]0;title\a\r\n"))
	f.Add("", []byte("\xff\xfe\u202e"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		what, items := (&Options{}).described(contentType, body)
		for _, line := range append(items, what) {
			require.LessOrEqual(t, len(line), 2*(maxPrint+len("…"))+1)
			for _, r := range line {
				require.False(t, unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r), "%q", line)
			}
		}
	})
}
