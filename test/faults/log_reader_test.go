package faults

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// As in `webhookd run … 2>&1 | head`: writing to a pipe without a reader ends a program that does not see to it.
func TestReaderOfTheLogThatGoesAwayCostsNoEvent(t *testing.T) {
	t.Parallel()
	const events = 10
	deadLetters := t.TempDir()
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	config := webhookd.IngestConfig("", endpoint("refused", refusing, "storm")) + "dead_letters: {dir: '" + deadLetters + "'}\n"
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
	letters, torn := webhookd.DeadLetters(t, deadLetters)
	require.Zero(t, torn)
	require.Len(t, letters, events)
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
