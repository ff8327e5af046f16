package httpclient

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// sentTo is the request that a real server gets of the event at an endpoint with that request section.
func sentTo(t *testing.T, request config.Request, event messages.Event) received {
	t.Helper()
	var requests []received
	endpoint := endpointAt(serve(t, record(&requests)).URL + "/hook?token=a%2Bb&z")
	endpoint.Request, endpoint.Events = request, []string{event.EventType().String()}
	outcome := newClient(t, endpoint).sendEvent(t.Context(), admitted(t, event))
	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Len(t, requests, 1)
	return requests[0]
}

func TestRequestGoesWhereItsTemplatesSay(t *testing.T) {
	request := sentTo(t, config.Request{
		Method: `{{if .data.retained}}PUT{{else}}PATCH{{end}}`,
		Path:   "/clients/{{.data.client_id}}/{{.data.topic | upper}}",
		Query:  map[string]string{"at": "{{.timestamp}}", "a b": "x&y={{.data.client_id}}", "empty": ""},
	}, &messages.MessagePublished{ClientID: "pump 7&?#", Topic: "a/b", Retained: true})

	require.Equal(t, "PUT", request.method)
	require.Equal(t, "/clients/pump%207&%3F%23/A%2FB?token=a%2Bb&z&a+b=x%26y%3Dpump+7%26%3F%23"+
		"&at=2026-01-02T03%3A04%3A05.000000006Z&empty=", request.address)
}

func TestWhatTheRequestSectionLeavesOutIsAsInTheURL(t *testing.T) {
	event := &messages.ClientConnected{ClientID: "pump", Protocol: messages.ProtocolMQTT5}
	for want, request := range map[string]config.Request{
		"PUT /hook?token=a%2Bb&z":           {Method: "PUT"},
		"POST /clients/pump/?token=a%2Bb&z": {Path: "/clients/{{.data.client_id}}/"},
		"POST /hook?token=a%2Bb&z&c=pump":   {Query: map[string]string{"c": "{{.data.client_id}}"}},
	} {
		sent := sentTo(t, request, event)
		require.Equal(t, want, sent.method+" "+sent.address)
	}
}

func TestMethodIsAnyTokenButNoTunnelOrTrace(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "DELETE", "PURGE", "M-SEARCH", "put"} {
		request := sentTo(t, config.Request{Method: method}, &messages.MessageRetained{Topic: "t"})
		require.Equal(t, method, request.method)
		require.NotEmpty(t, request.body)
	}
	endpoint := endpointAt("http://receiver.example")
	endpoint.Events = []string{"message.retained"}
	endpoint.Request.Method = `{{if hasPrefix "m " .data.topic}}{{.data.topic | replace "m " ""}}{{else}}PUT{{end}}`
	for method, want := range map[string]string{
		"":            `build the request: request.method: "" is no method (RFC 9110 §9.1)`,
		"PUT /":       `build the request: request.method: "PUT /" is no method (RFC 9110 §9.1)`,
		"A\r\nX-Y: z": `build the request: request.method: "A\r\nX-Y: z" is no method (RFC 9110 §9.1)`,
		"CONNECT":     "build the request: request.method: CONNECT is a method that carries no event",
		"Trace":       "build the request: request.method: Trace is a method that carries no event",
	} {
		event := admitted(t, &messages.MessageRetained{Topic: "m " + method})
		outcome := newClient(t, endpoint).sendEvent(t.Context(), event)
		require.Equal(t, messages.OutcomeRejected, outcome.Kind)
		require.EqualError(t, outcome.Err, want)
	}
}

// TestSafeMethodIsSentOnceToo: with a GET net/http would send again by itself.
func TestSafeMethodIsSentOnceToo(t *testing.T) {
	var requests atomic.Int32
	url := listen(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for readRequest(reader) {
			if requests.Add(1) > 1 {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		}
	})
	endpoint := endpointAt(url)
	endpoint.Request.Method = http.MethodGet
	client := newClient(t, endpoint)
	require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), newEvent(t, 10)).Kind)

	outcome := client.sendEvent(t.Context(), newEvent(t, 10))

	require.Equal(t, messages.OutcomeFailed, outcome.Kind)
	require.EqualValues(t, 2, requests.Load())
}
