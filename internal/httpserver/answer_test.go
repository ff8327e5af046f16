package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRequestForAnotherHostOrPageIsForbidden(t *testing.T) {
	reached := 0
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })
	settings := Settings{Name: "test door", Listen: "127.0.0.1:0", MaxConnections: maxConnections, AllowedHosts: []string{"webhookd.example"}}
	s, err := New(settings, handler, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	start(t, s)
	for _, c := range []struct{ host, more, problem string }{
		{"localhost", "", ""},
		{"webhookd.example:443", "Origin: https://webhookd.example\r\n", ""},
		{"evil.example:9090", "", `the Host \"evil.example\" is not allowed: allowed_hosts may add it`},
		{"localhost", "Origin: http://evil.example\r\n",
			`the request is made for a page of another site, \"http://evil.example\": allowed_hosts may add its host`},
		{"localhost", "Sec-Fetch-Site: cross-site\r\n", "the request is made for a page of another site (Sec-Fetch-Site: cross-site)"},
	} {
		connection := dial(t, s)
		_, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", c.host, c.more)
		require.NoError(t, err)
		if c.problem == "" {
			requireStatus(t, connection, http.StatusOK)
			continue
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Equal(t, "application/json", response.Header.Get("Content-Type"))
		require.Equal(t, `{"error":{"problem":"`+c.problem+`"}}`+"\n", string(answer))
	}
	require.Equal(t, 2, reached)
}

func TestBodyIsReadWhole(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			text = []byte(err.Error())
		}
		_, _ = w.Write(text)
	})
	s, err := New(Settings{Name: "test door", Listen: "127.0.0.1:0", MaxConnections: 1}, echo, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	connection := dial(t, start(t, s))
	_, err = io.WriteString(connection, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "12345", string(answer))
}

func TestSenderIsNotAskedForABodyThatNobodyReads(t *testing.T) {
	s := start(t, prepare(t, "127.0.0.1:0"))
	connection := dial(t, s)
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience/2)), "nobody waits for the body, either")
	_, err := io.WriteString(connection, "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	require.NoError(t, err)
	requireStatus(t, connection, http.StatusOK) // and not 100
}

func requireStatus(t *testing.T, connection net.Conn, status int) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, status, response.StatusCode)
}
