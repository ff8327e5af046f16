package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdminSideIsAskedWhereItListens(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9090":   "http://127.0.0.1:9090",
		"localhost:9090":   "http://localhost:9090",
		":9090":            "http://127.0.0.1:9090",
		"0.0.0.0:9090":     "http://127.0.0.1:9090",
		"[::]:9090":        "http://[::1]:9090",
		"[2001:db8::1]:80": "http://[2001:db8::1]:80",
	} {
		url, err := reachable(listen)
		require.NoError(t, err, listen)
		require.Equal(t, want, url)
	}
	_, err := reachable("127.0.0.1:0")
	require.ErrorContains(t, err, "--url")
}

func TestProxyOfTheEnvironmentGetsNoAdminToken(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	client, err := adminFlags{URL: "http://192.0.2.1:9090", Token: "topsecret"}.client(console{})
	require.NoError(t, err)

	request, err := client.request(t.Context(), http.MethodGet, deadLettersPath, nil, nil)
	require.NoError(t, err)
	proxy, err := client.http.Transport.(*http.Transport).Proxy(request)

	require.NoError(t, err)
	require.Nil(t, proxy)
}

func TestURLOfAnAdminSideIsOfHTTPAndNamesAHost(t *testing.T) {
	for url, usable := range map[string]bool{
		"http://127.0.0.1:9090":                   true,
		"https://webhookd.example/behind/a/proxy": true,
		"127.0.0.1:9090":                          false,
		"ftp://127.0.0.1":                         false,
		"http:/v1":                                false,
		"http://a b":                              false,
	} {
		_, err := adminFlags{URL: url, Token: "t"}.client(console{})
		if usable {
			require.NoError(t, err, url)
		} else {
			require.EqualError(t, err, "--url is no URL of an admin side, as http://127.0.0.1:9090", url)
		}
	}
}

func TestAnswerThatIsNoneOfAnAdminSideIsAnError(t *testing.T) {
	long := strings.Repeat("x", maxAdminSentence)
	for _, c := range []struct {
		status       int
		text, answer string
	}{
		{200, `<html>`, "that is no admin side of webhookd: it answers with something else than JSON"},
		{404, `404 page not found`, "the admin side answers 404: is it webhookd's, and of this version?"},
		{404, `{}`, "the admin side answers 404: is it webhookd's, and of this version?"},
		{302, `{}`, "the admin side answers 302: is it webhookd's, and of this version?"},
		{400, `{"error":{"field":"limit","problem":"must be 1 to 1000"}}`, "the admin side answers 400: limit must be 1 to 1000"},
		{503, `{"error":{"problem":"the router is closed"}}`, "the admin side answers 503: the router is closed"},
		{500, `{"error":{"problem":"` + long + `"}}`, "the admin side answers 500: " + long},
		{500, `{"error":{"problem":"` + long + `x"}}`, "the admin side answers 500: " + long[1:] + "…"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.text)
		}))
		client, err := adminFlags{URL: server.URL, Token: "t"}.client(console{})
		require.NoError(t, err)
		var answer any
		require.EqualError(t, client.ask(t.Context(), http.MethodGet, deadLettersPath, nil, nil, &answer), c.answer)
		server.Close()
	}
}

func TestAdminClientSpeaksAsTheAdminSideExpects(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode([]string{
			r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), strings.TrimSpace(string(body)),
		})
	}))
	defer server.Close()
	client, err := adminFlags{URL: server.URL + "/behind/a/proxy/", Token: "t0ken"}.client(console{})
	require.NoError(t, err)
	var said []string
	require.NoError(t, client.ask(t.Context(), http.MethodPost, "/v1/a", url.Values{"q": {"1 2"}}, map[string]int{"b": 3}, &said))
	require.Equal(t, []string{"POST", "/behind/a/proxy/v1/a", "q=1+2", "Bearer t0ken", "application/json", `{"b":3}`}, said)
}
