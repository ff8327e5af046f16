package main

import (
	"bytes"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestLogIsTextOnATerminalAndJSONElsewhereUnlessItIsSaid(t *testing.T) {
	for format, want := range map[string]string{"": "{", "json": "{", "text": "time="} {
		var logged bytes.Buffer
		log, err := newLogger(config.Log{Level: "info", Format: format}, &logged)
		require.NoError(t, err)
		log.Info("one line")
		require.Equal(t, want, logged.String()[:len(want)], format)
	}
	elsewhere, err := os.CreateTemp(t.TempDir(), "log")
	require.NoError(t, err)
	defer elsewhere.Close()
	require.IsType(t, &slog.JSONHandler{}, handlerOf(t, "", elsewhere))

	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal can be made here")
	}
	defer terminal.Close()
	require.IsType(t, &slog.TextHandler{}, handlerOf(t, "", terminal))
	require.IsType(t, &slog.JSONHandler{}, handlerOf(t, "json", terminal))
}

func handlerOf(t *testing.T, format string, out *os.File) slog.Handler {
	t.Helper()
	log, err := newLogger(config.Log{Level: "info", Format: format}, out)
	require.NoError(t, err)
	return log.Handler()
}

func TestLogLeavesOutWhatIsBelowItsLevel(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var logged bytes.Buffer
		log, err := newLogger(config.Log{Level: "warn", Format: format}, &logged)
		require.NoError(t, err)
		log.Info("left out")
		require.Empty(t, logged.String())
		log.Warn("shown")
		require.NotEmpty(t, logged.String())
	}
	_, err := newLogger(config.Log{Level: "loud"}, new(bytes.Buffer))
	require.ErrorContains(t, err, "log.level: ")
}
