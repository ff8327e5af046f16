package format

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestTemplateIsSentAsJSON(t *testing.T) {
	endpoint := templated(`{"text": {{printf "%s on %s" .data.client_id .data.topic | json}}}`, "message.published")
	event := published("sensors/1")
	event.ClientID = nasty

	made, err := contentOf(t, endpoint, admitted(t, event))

	require.NoError(t, err)
	require.Equal(t, http.Header{"Content-Type": {"application/json"}}, made.Header)
	var sent map[string]string
	require.NoError(t, json.Unmarshal(made.Body, &sent))
	require.Equal(t, map[string]string{"text": nasty + " on sensors/1"}, sent)
}

func TestTemplateOfAnotherContentTypeIsSentAsItIs(t *testing.T) {
	endpoint := templated(`{{.data.topic}}: {{text .data.payload}}`, "message.published")
	endpoint.Template.ContentType = "text/plain; charset=utf-8"

	made, err := contentOf(t, endpoint, admitted(t, published("sensors/1")))

	require.NoError(t, err)
	require.Equal(t, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, made.Header)
	require.Equal(t, `sensors/1: {"t":21.5}`, string(made.Body))
}

func TestTemplateSeesAllOfTheEnvelope(t *testing.T) {
	for _, event := range allAdmitted(t, everyEvent(t, "text")...) {
		body := bodyOf(t, templated(`{{json .}}`), event)

		var seen, envelope map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &seen))
		require.NoError(t, json.Unmarshal(event.Body(), &envelope))
		data := seen["data"].(map[string]any)
		require.Len(t, data, len(messages.Fields(event.Type())))
		for name := range data {
			if _, sent := envelope["data"].(map[string]any)[name]; !sent {
				require.Zero(t, data[name], name) // left out of the JSON because it is empty
				delete(data, name)
			}
		}
		require.Equal(t, envelope, seen)
	}
}

func TestTextThatIsNoUTF8IsTheSameAtEachAttempt(t *testing.T) {
	event := published("a\xff\xfe/b")
	event.UserProperties = []messages.UserProperty{{Name: "\xff", Value: "\xff"}}
	body := bodyOf(t, templated(`{{json .}}`, "message.published"), admitted(t, event))
	require.Contains(t, body, `"topic":"a`+"\ufffd\ufffd"+`/b"`)
}

func TestTemplateThatCanNotWorkIsRefusedWhenItIsLoaded(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"no template":                {`{"a": {{.data.topic}`, `is no template: line 1: bad character U+007D '}'`},
		"function that is not there": {`{{env "HOME"}}`, `is no template: line 1: function "env" not defined`},
		"key without quotes":         {`{{ topsecret }}`, `is no template: line 1: function "…" not defined`},
		"key with a dollar sign":     {`{{ $topsecret }}`, `is no template: line 1: undefined variable "…"`},
		"key that begins a number":   {`{{ 5ecret }}`, `is no template: line 1: bad number syntax: "…"`},
		"field that no event has": {`{{json .data.topci}}`,
			`fails for a message.published: line 1:12: at <.data.topci>: map has no entry for key "topci"`},
		"text without json": {`{"topic":` + "\n" + `"{{.data.topic}}"}`,
			`fails for a message.published whose texts have quotes, line breaks and the like: what it renders to is no JSON at line 2, column 3: ` +
				`invalid character '\\' after object key:value pair: write texts as {{json .data.client_id}}, without quotes around`},
		"json within quotes": {`{"topic":"{{json .data.topic}}"}`,
			`fails for a message.published: what it renders to is no JSON at line 1, column 12: ` +
				`invalid character 's' after object key:value pair: write texts as {{json .data.client_id}}, without quotes around`},
		"no JSON": {`{"topic": {{json .data.topic}},}`, `no JSON at line 1, column 20`},
		"nothing": {` {{/* a comment */}} `, `unexpected end of JSON input`},
		"list that may be empty": {
			`{"first": {{index .data.user_properties 0 | json}}}`,
			`fails for a message.published without its optional fields: line 1:12: at <index .data.user_properties 0>: ` +
				`error calling index: reflect: slice index out of range`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newFormat(templated(c.body, "message.published"))

			var inKey *config.KeyError
			require.ErrorAs(t, err, &inKey)
			require.Equal(t, "template.body", inKey.Key)
			require.ErrorContains(t, inKey.Err, c.want)
		})
	}
}

func TestTemplateIsTriedOnEachTypeThatTheEndpointTakes(t *testing.T) {
	const body = `{"topic": {{json .data.topic}}}`
	_, err := newFormat(templated(body, "message.*"))
	require.NoError(t, err)
	_, err = newFormat(templated(body, "message.*", "client.connected"))
	require.ErrorContains(t, err, `template.body: fails for a client.connected: line 1:22: at <.data.topic>: map has no entry for key "topic"`)
	_, err = newFormat(templated(`{"topic": {{index .data "topic" | default "none" | json}}}`))
	require.NoError(t, err)
}

func TestPayloadThatIsParsedIsNotTriedAtLoad(t *testing.T) {
	endpoint := templated(`{"t": {{(parseJSON .data.payload).t}}, "at": {{(parseJSON .data.payload).at}}}`, "message.published")
	event := published("a")
	event.Payload = []byte(`{"t": -0.50, "at": 1700000000000}`)
	require.Equal(t, `{"t": -0.5, "at": 1700000000000}`, bodyOf(t, endpoint, admitted(t, event)))

	event = published("a")
	event.Payload = []byte(`{"at": 1}`)
	_, err := contentOf(t, endpoint, admitted(t, event))
	require.ErrorContains(t, err, `map has no entry for key "t"`)
}

func TestBodyThatIsNoUTF8IsNoJSON(t *testing.T) {
	require.EqualError(t, checkJSON([]byte("\"\xff\"")), "no JSON: it is not valid UTF-8")
	require.NoError(t, checkJSON([]byte("\"ü\"")))
}

func TestErrorOfATemplateShowsNoTextOfTheEvent(t *testing.T) {
	endpoint := templated(`{"a": {{json (parseJSON .data.payload)}},
		"b": {{if eq .data.topic "t"}}"{{.data.client_id}}"{{else}}1{{end}}}`, "message.published")
	event := published("t")
	event.ClientID, event.Payload = `"SECRET`, []byte(`1`)
	_, err := contentOf(t, endpoint, admitted(t, event))
	require.ErrorContains(t, err, "no JSON")
	event = published("t")
	event.Payload = []byte(`{"SECRET": SECRET}`)
	_, parseErr := contentOf(t, endpoint, admitted(t, event))
	require.ErrorContains(t, parseErr, "no JSON")
	require.NotContains(t, errors.Join(err, parseErr).Error(), "SECRET")
}

func TestPayloadThatIsNotThereIsAnEmptyText(t *testing.T) {
	for _, none := range [][]byte{nil, {}} {
		event := published("t")
		event.Payload = none
		body := bodyOf(t, templated(`[{{json .data.payload}}, {{text .data.payload | json}}]`, "message.published"), admitted(t, event))
		require.Equal(t, `["", ""]`, body)
	}
}

// FuzzTemplateBody holds that json makes a text of anything.
func FuzzTemplateBody(f *testing.F) {
	f.Add("plain", "payload", byte(0))
	f.Add(nasty, "\xff\x00", byte(3))
	f.Add("no payload", "", byte(3))
	f.Add("</script>\u2028", "{", byte(11))
	endpoint := templated(`{"all": {{json .}}, "id": "{{jsonEscape .broker_id}}",
		{{range $name, $value := .data}}{{json $name}}: {{$value | text | truncate 20 | json}},{{end}} "end": 0}`)
	format, err := newFormat(endpoint)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text, payload string, index byte) {
		event := everyEvent(t, text)[int(index)%messages.TypeCount]
		if published, ok := event.(*messages.MessagePublished); ok {
			published.Payload = []byte(payload)
		}
		envelope := admittedOf(t, event, text)
		made, err := format([]*messages.Envelope{envelope})
		require.NoError(t, err)
		require.True(t, json.Valid(made.Body))
		if _, err := messages.ParseEnvelope(envelope.Body()); err != nil {
			return // no broker has such an event
		}
		again, err := format([]*messages.Envelope{envelope})
		require.NoError(t, err)
		require.Equal(t, string(made.Body), string(again.Body))
	})
}

func TestErrorOfATemplateShowsNoTextThatIsWrittenInIt(t *testing.T) {
	for template, want := range map[string]string{
		`{{date "topsecret" .data.topic}}`:                                           `line 1:2: at <date "…" .data.topic>: error calling date`,
		"{{date `topsecret` .data.topic}}":                                           `at <date "…" .data.topic>: error calling date`,
		`{{truncate 0 "top\"secret topsecret"}}`:                                     `at <truncate 0 "…">: error calling truncate`,
		`{{print ">: topsecret" | truncate 0}}`:                                      `at <truncate 0>: error calling truncate`,
		`{{index .data.user_properties 0 "k" "k"` + strings.Repeat(" 0", 200) + `}}`: " 0 0 0…>: error calling index",
	} {
		_, err := newFormat(templated(template, "message.published"))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
		require.Less(t, len(err.Error()), 300)
	}
}
