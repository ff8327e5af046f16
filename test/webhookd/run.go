package webhookd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Run starts `webhookd run` with this configuration, and waits until it runs.
func Run(t *testing.T, config string) *Process {
	t.Helper()
	return RunIn(t, t.TempDir(), config)
}

// RunIn is Run with the configuration and the program's output in a folder of the caller's.
func RunIn(t *testing.T, dir, config string) *Process {
	t.Helper()
	file := filepath.Join(dir, "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	p := start(t, dir, "run", "--config", file)
	p.Await("webhookd runs")
	return p
}

// IngestConfig is a configuration that takes events over HTTP, shows its metrics, and delivers to these endpoints, given
// as YAML list items. The first argument is what else its webhook section says.
func IngestConfig(webhook string, endpoints ...string) string {
	return "webhook:\n  enabled: true\n" + indent(webhook, 2) + "  endpoints:\n" + indent(strings.Join(endpoints, ""), 4) +
		"sources:\n  ingest:\n    listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\n"
}

func indent(text string, spaces int) string {
	var indented strings.Builder
	for line := range strings.Lines(text) {
		indented.WriteString(strings.Repeat(" ", spaces) + line)
	}
	return indented.String()
}

// MQTT is where the embedded broker listens.
func (p *Process) MQTT() string { return p.address("MQTT broker is open") }

func (p *Process) address(message string) string {
	p.t.Helper()
	return p.Await(message)["address"].(string)
}

// Post hands events to the ingest in one request: message.published on this topic, with the ids e<from> to e<to>.
func (p *Process) Post(topic string, from, to int) {
	p.t.Helper()
	var body bytes.Buffer
	for i := from; i <= to; i++ {
		fmt.Fprintf(&body, `{"event_type":"message.published","event_id":"e%d","data":{"client_id":"c","topic":%q}}`+"\n", i, topic)
	}
	response, err := http.Post("http://"+p.address("ingest is open")+"/v1/events", "application/x-ndjson", &body)
	require.NoError(p.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusAccepted, response.StatusCode, string(answer))
}

// Metrics is one scrape: the samples by their names, with their labels as they stand in the exposition.
func (p *Process) Metrics() (map[string]float64, error) {
	response, err := http.Get("http://" + p.address("admin side is open") + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("scrape the metrics: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		space := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[space+1:]), 64)
		if err == nil && !strings.HasPrefix(line, "#") {
			samples[line[:space]] = value
		}
	}
	return samples, nil
}

// Metric is a sample of a scrape of its own, 0 where there is none.
func (p *Process) Metric(name string) float64 {
	p.t.Helper()
	samples, err := p.Metrics()
	require.NoError(p.t, err)
	return samples[name]
}
