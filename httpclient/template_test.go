package httpclient

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestTemplateIsSentWithItsContentType(t *testing.T) {
	for contentType, want := range map[string]string{"": "application/json", "text/plain; charset=utf-8": "text/plain; charset=utf-8"} {
		var requests []received
		endpoint := endpointAt(serve(t, record(&requests)).URL)
		endpoint.Format, endpoint.Events = config.FormatTemplate, []string{"message.published"}
		endpoint.Template = config.Template{Body: `{"topic": {{json .data.topic}}}`, ContentType: contentType}

		outcome := newClient(t, endpoint).sendEvent(t.Context(), admitted(t, published("sensors/1")))

		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		require.Len(t, requests, 1)
		require.Equal(t, []string{want}, requests[0].header["Content-Type"])
		require.Equal(t, `{"topic": "sensors/1"}`, requests[0].body)
	}
}

func TestEventOfWhichTheTemplateMakesNothingIsRejected(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request came") })
	for body, want := range map[string]string{
		`{"t": {{(parseJSON .data.payload).t}}}`: "build the request: template.body can't be rendered: " +
			"line 1:9: at <parseJSON .data.payload>: error calling parseJSON: " +
			"the text is no JSON: invalid character 'o' in literal null (expecting 'u')",
		`{"t": {{if eq .data.topic "t"}}{{text .data.payload}}{{else}}1{{end}}}`: "build the request: " +
			"template.body: what it renders to is no JSON at line 1, column 8: invalid character 'o' in literal null " +
			"(expecting 'u'): write texts as {{json .data.client_id}}, without quotes around",
	} {
		endpoint := endpointAt(server.URL)
		endpoint.Format, endpoint.Events = config.FormatTemplate, []string{"message.published"}
		endpoint.Template = config.Template{Body: config.Secret(body), ContentType: "application/vnd.fleet+json"}
		event := published("t")
		event.Payload = []byte("not json")

		outcome := newClient(t, endpoint).sendEvent(t.Context(), admitted(t, event))

		require.Equal(t, messages.OutcomeRejected, outcome.Kind)
		require.Zero(t, outcome.Status)
		require.False(t, outcome.Sent)
		require.EqualError(t, outcome.Err, want)
		require.NotEmpty(t, Advice(outcome))
	}
}
