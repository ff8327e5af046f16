package main

import (
	"bytes"
	stdlog "log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatAnEndpointMakesALibrarySayIsCutAndCounted(t *testing.T) {
	before, flags, out := slog.Default(), stdlog.Flags(), stdlog.Writer()
	t.Cleanup(func() {
		slog.SetDefault(before)
		stdlog.SetFlags(flags)
		stdlog.SetOutput(out)
	})
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		takeLibraryLog(slog.New(slog.NewTextHandler(&logged, nil)))
		for range 500 {
			stdlog.Printf("Unsolicited response received: %s", strings.Repeat("x", 4096))
		}
		time.Sleep(libraryLogInterval)
		stdlog.Print("another")
		time.Sleep(libraryLogInterval)
		stdlog.Print("the last")

		lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
		require.Len(t, lines, 3)
		require.Less(t, len(lines[0]), 400)
		require.Contains(t, lines[0], "left_out=0")
		require.Contains(t, lines[1], "text=another left_out=499")
		require.Contains(t, lines[2], `text="the last" left_out=0`)
	})
}
