package service

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLossSaysWhatWouldHaveKeptTheEvents(t *testing.T) {
	var log bytes.Buffer
	s := &Service{log: slog.New(slog.NewTextHandler(&log, nil))}
	s.complainOf(7)
	require.Contains(t, log.String(), "events are LOST")
	require.Contains(t, log.String(), "events=7")
	require.Contains(t, log.String(), "set store.dir")
}
