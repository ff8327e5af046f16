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

func TestWhatAnEndpointMakesALibrarySayIsCountedAndNotQuoted(t *testing.T) {
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
			stdlog.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "Bearer t0ken", "malformed MIME header line: t0ken")
		}
		time.Sleep(libraryLogInterval)
		stdlog.Print("another t0ken")
		time.Sleep(libraryLogInterval)
		stdlog.Print("the last t0ken")

		lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
		require.Len(t, lines, 3)
		require.True(t, strings.HasSuffix(lines[0], `msg="a library says" text="Unsolicited response received on idle HTTP channel"`), lines[0])
		require.True(t, strings.HasSuffix(lines[1], `msg="a library says" left_out=499 text="`+unknownSaying+`"`), lines[1])
		require.True(t, strings.HasSuffix(lines[2], `msg="a library says" text="`+unknownSaying+`"`), lines[2])
	})
}
