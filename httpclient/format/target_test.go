package format

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestQueryIsAddedToAURLThatHasNone(t *testing.T) {
	endpoint := endpointAt("https://user:secret@receiver.example")
	endpoint.Request.Query = map[string]string{"c": "{{.event_type}}"}
	made, err := contentOf(t, endpoint, newEvent(t, 0))
	require.NoError(t, err)
	require.Equal(t, "https://receiver.example?c=message.published", made.URL.String())
}

func TestTargetHoldsForEachFormat(t *testing.T) {
	for _, format := range []config.Format{config.FormatCloudEvents, config.FormatRaw, config.FormatTemplate} {
		endpoint := templated(`{}`, "message.published")
		endpoint.Format, endpoint.Request.Path = format, "/{{.data.topic}}"
		made, err := contentOf(t, endpoint, admitted(t, published("t")))
		require.NoError(t, err)
		require.Equal(t, "/t", made.URL.Path)
		require.NotEmpty(t, made.Body)
	}
}

func TestTargetThatCanNotWorkIsRefusedWhenItIsLoaded(t *testing.T) {
	const unescaped = "request.path: fails for a client.connected: the path has a character that must be percent-encoded"
	for name, c := range map[string]struct {
		request config.Request
		want    []string
	}{
		"all at once": {
			config.Request{Method: "{{", Path: "{{", Query: map[string]string{"a": "{{", "b": "{{.x}}"}},
			[]string{
				"request.method: is no template: line 1: unclosed action", "request.path: is no template: line 1: unclosed action",
				"request.query.a: is no template: line 1: unclosed action",
				`request.query.b: fails for a client.connected: line 1:2: at <.x>: map has no entry for key "x"`,
			},
		},
		"method that is none": {
			config.Request{Method: "{{.data.client_id}}"},
			[]string{"request.method: fails for a client.connected whose texts have quotes, line breaks and the like: "},
		},
		"tunnel":            {config.Request{Method: "CONNECT"}, []string{"request.method: fails for a client.connected: CONNECT is"}},
		"path with a query": {config.Request{Path: "/a?b=c"}, []string{unescaped}},
		"space in the path": {config.Request{Path: "/a b"}, []string{unescaped}},
		"broken escape":     {config.Request{Path: "/a%2"}, []string{unescaped}},
		"relative path":     {config.Request{Path: "a"}, []string{`request.path: fails for a client.connected: the path doesn't begin with "/"`}},
		"dots": {
			config.Request{Path: "/a/%2e%2E/b"},
			[]string{`request.path: fails for a client.connected: segment 2 of the path is "." or ".."`},
		},
		"two slashes": {
			config.Request{Path: "//b"}, []string{`request.path: fails for a client.connected: segment 1 of the path is empty`},
		},
		"long path": {
			config.Request{Path: "/{{range 9000}}a{{end}}"}, []string{"request.path: fails for a client.connected: it renders to more than 8192 bytes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt("http://receiver.example")
			endpoint.Events, endpoint.Request = []string{"client.connected"}, c.request
			_, err := newFormat(endpoint)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(c.want))
			var inKey *config.KeyError
			require.ErrorAs(t, err, &inKey)
		})
	}
}

func TestTypesThatThereAreNotAreAnError(t *testing.T) {
	targeted := endpointAt("http://receiver.example")
	targeted.Events, targeted.Request.Method = []string{"no.such"}, "PUT"
	for _, endpoint := range []config.Endpoint{targeted, templated("{}", "no.such")} {
		_, err := newFormat(endpoint)
		require.ErrorContains(t, err, "no.such")
	}
}

func TestTargetIsBounded(t *testing.T) {
	endpoint := endpointAt("http://receiver.example/" + strings.Repeat("a", 3<<10))
	endpoint.Events = []string{"message.retained"}
	endpoint.Request.Query = map[string]string{"a": "{{.data.topic}}", "b": "{{.data.topic}}"}
	for topic, want := range map[string]string{
		strings.Repeat("t", 2<<10): "",
		strings.Repeat("t", 3<<10): "request: path and query have more than 8192 bytes",
		strings.Repeat("t", 9<<10): "request.query.a renders to more than 8192 bytes",
	} {
		_, err := contentOf(t, endpoint, admitted(t, &messages.MessageRetained{Topic: topic}))
		if want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
}
