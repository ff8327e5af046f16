package format

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/httpclient/format/internal/eventjson"
	"github.com/fluxmq/webhookd/httpclient/format/template"
	"github.com/fluxmq/webhookd/messages"
)

func pathOf(t *testing.T, text, clientID string) (string, error) {
	t.Helper()
	path, err := newRequestPath(text, []messages.Type{messages.TypeClientConnected})
	require.NoError(t, err)
	event, err := template.Event(messages.NewEnvelope(&messages.ClientConnected{ClientID: clientID}))
	require.NoError(t, err)
	address := url.URL{Scheme: "http", Host: "receiver.example", Path: "/hook"}
	err = path.set(&address, event)
	return address.EscapedPath(), err
}

func TestEachActionOfAPathIsEscaped(t *testing.T) {
	for template, want := range map[string]string{
		"/{{.data.client_id}}":                                        "/a%2Fb%20%25%3F%23%C3%BC",
		"/x{{.data.client_id}}y/":                                     "/xa%2Fb%20%25%3F%23%C3%BCy/",
		"/{{printf `%s!` .data.client_id | upper}}":                   "/A%2FB%20%25%3F%23%C3%9C%21",
		"/{{$c := .data.client_id}}{{$c}}":                            "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{with .data.client_id}}{{.}}{{else}}{{end}}":               "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{range $i := 1}}{{$.data.client_id}}{{end}}":               "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{range 0}}{{else}}{{.data.client_id}}{{end}}":              "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{if true}}{{.data.client_id}}{{end}}":                      "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{if false}}{{else if true}}{{.data.client_id}}{{end}}":     "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{define `c`}}{{.}}{{end}}{{template `c` .data.client_id}}": "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{block `c` .data.client_id}}{{.}}{{end}}":                  "/a%2Fb%20%25%3F%23%C3%BC",
		"/{{print `a/b`}}/%C3%BC":                                     "/a%2Fb/%C3%BC",
		"/":                                                           "/",
	} {
		path, err := pathOf(t, template, "a/b %?#ü")
		require.NoError(t, err, template)
		require.Equal(t, want, path, template)
	}
}

func TestNoClientIDLeadsToAnotherPath(t *testing.T) {
	const dotted = `request.path: segment 2 of the path is "." or "..", or has them between slashes: it would lead elsewhere`
	for clientID, want := range map[string]string{
		"":              "request.path: segment 2 of the path is empty",
		".":             dotted,
		"..":            dotted,
		"../admin":      dotted,
		`..\admin`:      dotted,
		"a/../../admin": dotted,
		"a/.":           dotted,
		"...":           "",
		".a":            "",
		"a/b":           "",
		"//":            "",
		"%2e%2e":        "",
		"\x00\r\n":      "",
	} {
		for _, template := range []string{"/clients/{{.data.client_id}}", "/clients/{{.data.client_id}}/state"} {
			_, err := pathOf(t, template, clientID)
			if want == "" {
				require.NoError(t, err, clientID)
			} else {
				require.EqualError(t, err, want, clientID)
			}
		}
	}
	_, err := pathOf(t, "/clients/.{{.data.client_id}}", ".")
	require.EqualError(t, err, dotted)
	_, err = pathOf(t, "/clients/%2e{{.data.client_id}}", ".")
	require.EqualError(t, err, dotted)
}

func TestErrorOfAPathShowsNothingOfIt(t *testing.T) {
	for _, clientID := range []string{"", "..", strings.Repeat("x", 9<<10)} {
		_, err := pathOf(t, "/TOKEN/{{.data.client_id}}", clientID)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "TOKEN")
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"pump-7", "", ".", "..", "../a", "a/b", nasty, "\xff", "%2e", "..;/", "\\.."} {
		f.Add(seed, seed)
	}
	path, err := newRequestPath("/x/{{.data.client_id}}/{{.data.reason}}-{{.broker_id}}/", []messages.Type{messages.TypeClientDisconnected})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, clientID, reason string) {
		event, err := template.Event(messages.NewEnvelope(&messages.ClientDisconnected{ClientID: clientID, Reason: reason}))
		require.NoError(t, err)
		address := url.URL{Scheme: "http", Host: "receiver.example"}
		if path.set(&address, event) != nil {
			return
		}
		parsed, err := url.Parse(address.String())
		require.NoError(t, err)
		require.Equal(t, address.Host, parsed.Host)
		require.Empty(t, parsed.RawQuery)
		require.Empty(t, parsed.Fragment)
		segments := strings.Split(parsed.EscapedPath(), "/")
		require.Len(t, segments, 5)
		for i, want := range []string{"", "x", eventjson.ValidText(clientID), eventjson.ValidText(reason) + "-", ""} {
			plain, err := url.PathUnescape(segments[i])
			require.NoError(t, err)
			require.Equal(t, want, plain)
			if i > 0 && i < 4 {
				require.NotContains(t, []string{"", ".", ".."}, plain)
			}
		}
		require.Equal(t, parsed.EscapedPath(), parsed.JoinPath().EscapedPath(), "nothing to clean")
	})
}
