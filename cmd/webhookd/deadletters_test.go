package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONForATerminalIsPrintableAndMeansTheSame(t *testing.T) {
	for _, text := range []string{
		"", "plain", "größer → 日本", "quotes \" and \\", "line\nend\ttab", "\x00\x1b[31m\a\x7f", "C1 \u0085\u009b", "\u202eright to left", "\U000e0001 tag", "\ufeff",
	} {
		given, err := json.Marshal(map[string]string{"text": text})
		require.NoError(t, err)
		safe := shownJSON(given)
		require.True(t, isPrintable(safe), safe)
		var read map[string]string
		require.NoError(t, json.Unmarshal([]byte(safe), &read))
		require.Equal(t, text, read["text"])
	}
	require.Equal(t, "{\n  \"a\": 1\n}", shownJSON([]byte("{\n  \"a\": 1\n}")), "an indented text keeps its lines")
}

func TestTextForATerminalIsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"plain":           "plain",
		"eight or":        "eight or",
		"more than eight": "more th…",
		"größer":          "größer",
		"a\tb":            `"a\tb"`,
		"\x1b[31m":        `"\x1b[31m"`,
		"\u202e":          `"\u202e"`,
	} {
		require.Equal(t, want, shown(text, 8))
	}
}

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
	client, err := adminFlags{URL: "http://192.0.2.1:9090", Token: "topsecret"}.client()
	require.NoError(t, err)

	request, err := client.request(t.Context(), http.MethodGet, deadLettersPath, nil, nil)
	require.NoError(t, err)
	proxy, err := client.http.Transport.(*http.Transport).Proxy(request)

	require.NoError(t, err)
	require.Nil(t, proxy)
}
