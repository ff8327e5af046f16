package service

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestActorSystemLogsNothingLessThanAWarning(t *testing.T) {
	var logged bytes.Buffer
	log := newActorSystem(slog.New(slog.NewTextHandler(&logged, nil))).Logger().With("attribute", 1).WithGroup("group")
	log.Info("left out")
	require.Empty(t, logged.String())
	log.Warn("shown", "key", 2)
	require.Contains(t, logged.String(), "level=WARN msg=shown")
	require.Contains(t, logged.String(), "attribute=1 group.key=2")

	logged.Reset()
	newActorSystem(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))).Logger().Warn("left out")
	require.Empty(t, logged.String())
}
