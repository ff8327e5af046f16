package examples_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

var services = []string{"discord", "ntfy", "pagerduty", "slack", "teams"}

func TestEachExampleIsTested(t *testing.T) {
	files, err := filepath.Glob("*.yml")
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file, ".yml"))
	}
	require.Equal(t, services, names)
	readme := string(read(t, "README.md"))
	for _, file := range files {
		require.Contains(t, readme, "["+file+"]("+file+")")
	}
}

func TestCheckAcceptsEachExample(t *testing.T) {
	for _, service := range services {
		cfg, _, err := config.Load(service + ".yml")
		require.NoError(t, err)
		require.Empty(t, cfg.IdleReasons(), service)
		require.NoError(t, router.Check(cfg), service)
	}
}

func TestEachExampleSendsWhatItsServiceDocuments(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			deliver, schema := deliveryBy(t, service), schemaOf(t, service)
			for _, text := range []string{
				"plain", "alarms/fire/1", "quotes \" and \\ and\nlines", "<!channel> & @everyone", "ü€😀\u2028",
				strings.Repeat("long ", 10_000), strings.Repeat("<&>", 5_000), strings.Repeat("😀", 5_000), "\x00\x7f", " ",
			} {
				for _, event := range events(text) {
					if body := deliver(event); body != "" {
						require.NoError(t, schema.Validate(parse(t, []byte(body))), "%s", body)
					}
				}
			}
		})
	}
}

func TestEachExampleSendsThisMessage(t *testing.T) {
	for service, event := range map[string]messages.Event{
		"discord":   &messages.MessagePublished{ClientID: "pump-7", Topic: "alarms/fire/1", Payload: []byte("It burns.")},
		"ntfy":      &messages.MessagePublished{ClientID: "pump-7", Topic: "alarms/fire/1", Payload: []byte("It burns.")},
		"pagerduty": &messages.ClientDisconnected{ClientID: "pump-7", Reason: "error", RemoteAddr: "192.0.2.1:4711"},
		"slack":     &messages.AuthzPublishDenied{ClientID: "pump-7", Topic: "alarms/fire/1", Reason: "error"},
		"teams":     &messages.ClientDisconnected{ClientID: "pump-7", Reason: "error", RemoteAddr: "192.0.2.1:4711"},
	} {
		require.JSONEq(t, string(read(t, "testdata/"+service+".want.json")), deliveryBy(t, service)(event), service)
	}
}

func TestSchemaTakesWhatItsServiceDocuments(t *testing.T) {
	for _, service := range services {
		schema := schemaOf(t, service)
		examples := parse(t, read(t, "testdata/"+service+".documented.json")).([]any)
		require.NotEmpty(t, examples)
		for i, example := range examples {
			require.NoError(t, schema.Validate(example), "%s %d", service, i)
		}
	}
}

func TestSchemaRefusesABadMessage(t *testing.T) {
	for _, service := range services {
		schema := schemaOf(t, service)
		for name, message := range parse(t, read(t, "testdata/"+service+".bad.json")).(map[string]any) {
			require.Error(t, schema.Validate(message), "%s: %s", service, name)
		}
	}
}

// deliveryBy sends an event as the example does, but to a server of the test's own, and gives the body that arrives; "" for
// an event that the example does not select.
func deliveryBy(t *testing.T, service string) func(messages.Event) string {
	bodies := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") != "application/json" {
			t.Error("the content is", r.Header.Get("Content-Type"))
		}
		bodies <- string(body)
	}))
	t.Cleanup(server.Close)
	cfg, _, err := config.Load(service + ".yml")
	require.NoError(t, err)
	endpoint := cfg.Webhook.Resolve()[0]
	endpoint.URL = server.URL
	selected, err := config.ParseEvents(endpoint.Events)
	require.NoError(t, err)
	client, err := httpclient.New(endpoint, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return func(event messages.Event) string {
		if !slices.Contains(selected, event.EventType()) {
			return ""
		}
		envelope := admitted(t, event, cfg)
		outcome := client.Send(t.Context(), envelope.ID, []*messages.Envelope{envelope})
		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		return <-bodies
	}
}

func admitted(t *testing.T, event messages.Event, cfg config.Config) *messages.Envelope {
	t.Helper()
	envelope := messages.NewEnvelope(event)
	require.NoError(t, envelope.Admit(messages.Admission{
		BrokerID:        cfg.BrokerID,
		IncludePayload:  cfg.Webhook.IncludePayload,
		MaxPayloadBytes: int(cfg.Webhook.MaxPayloadBytes),
	}, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
	return envelope
}

// events are of each type that an example may select, with the text wherever a client may write one.
func events(text string) []messages.Event {
	return []messages.Event{
		&messages.ClientConnected{ClientID: text, Protocol: messages.ProtocolMQTT5, RemoteAddr: text},
		&messages.ClientDisconnected{ClientID: text, Reason: messages.ReasonNormal, RemoteAddr: text},
		&messages.ClientDisconnected{ClientID: text, Reason: messages.ReasonError},
		&messages.MessagePublished{ClientID: text, Topic: text, Payload: []byte(text), Retained: true},
		&messages.MessagePublished{ClientID: text, Topic: text, Payload: []byte("\xff\xfe")},
		&messages.MessagePublished{ClientID: text, Topic: text},
		&messages.AuthFailure{ClientID: text, Reason: text},
		&messages.AuthFailure{},
		&messages.AuthzPublishDenied{ClientID: text, Topic: text, Reason: text},
		&messages.AuthzSubscribeDenied{ClientID: text, TopicFilter: text, Reason: text},
	}
}

func schemaOf(t *testing.T, service string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	file := service + ".schema.json"
	require.NoError(t, compiler.AddResource(file, parse(t, read(t, "testdata/"+file))))
	schema, err := compiler.Compile(file)
	require.NoError(t, err)
	return schema
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(text, &value))
	return value
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return text
}
