package service

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLossSaysWhatWouldHaveKeptTheEvents(t *testing.T) {
	for hasPlace, advice := range map[bool]string{
		false: "set store.dir",
		true:  "check that the disk has room",
	} {
		var log bytes.Buffer
		s := &Service{log: slog.New(slog.NewTextHandler(&log, nil)), hasPlace: hasPlace}
		s.complainOf(7)
		require.Contains(t, log.String(), "events are LOST")
		require.Contains(t, log.String(), "events=7")
		require.Contains(t, log.String(), advice)
	}
}
