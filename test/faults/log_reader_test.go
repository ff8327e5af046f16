package faults

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// As in `webhookd run … 2>&1 | head`: writing to a pipe without a reader ends a program that does not see to it.
func TestReaderOfTheLogThatGoesAwayCostsNoEvent(t *testing.T) {
	t.Parallel()
	const events = 10
	var asked, taken atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= events { // of which the log tells
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		taken.Add(1)
	}))
	t.Cleanup(receiver.Close)
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	config := webhookd.IngestConfig("defaults: {circuit_breaker: {failure_threshold: 100}}\n", endpoint("failing", receiver.URL, "storm"))
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	program := webhookd.NewCommand("run", "--config", file)
	program.Stderr = writer
	require.NoError(t, program.Start())
	require.NoError(t, writer.Close())
	t.Cleanup(func() { _ = program.Process.Kill() })
	ingest := readUntilItRuns(t, reader)
	require.NoError(t, reader.Close())

	event := `{"event_type":"message.published","data":{"client_id":"c","topic":"storm"}}` + "\n"
	response, err := http.Post("http://"+ingest+"/v1/events", "application/x-ndjson", strings.NewReader(strings.Repeat(event, events)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusAccepted, response.StatusCode)

	require.NoError(t, program.Process.Signal(syscall.SIGTERM)) // "stopping" and more is logged
	require.NoError(t, program.Wait())
	require.EqualValues(t, events, taken.Load())
}

// readUntilItRuns returns the ingest's address.
func readUntilItRuns(t *testing.T, log *os.File) (address string) {
	t.Helper()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "ingest is open") {
			_, rest, _ := strings.Cut(lines.Text(), `"address":"`)
			address, _, _ = strings.Cut(rest, `"`)
		}
		if strings.Contains(lines.Text(), "webhookd runs") {
			return address
		}
	}
	t.Fatal("the program does not run")
	return ""
}
