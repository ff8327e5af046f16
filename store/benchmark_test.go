package store

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
)

const benchmarkLetters = 20_000

func openBenchmarkLetters(b *testing.B) *DeadLetters {
	b.Helper()
	letters, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(b.TempDir()), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	b.Cleanup(func() { _ = letters.Close() })
	for i := range benchmarkLetters {
		require.True(b, letters.Keep(letterOf(newEventOf(b, fmt.Sprint(i), 1000)), false))
	}
	return letters
}

// BenchmarkListOfNone looks at every letter in the files.
func BenchmarkListOfNone(b *testing.B) {
	letters := openBenchmarkLetters(b)
	b.SetBytes(letters.file.size)
	for b.Loop() {
		page, err := letters.List(context.Background(), DeadLetterQuery{Limit: 1, DeadLetterFilter: DeadLetterFilter{Endpoint: "none"}})
		require.NoError(b, err)
		require.Empty(b, page.Letters)
	}
}

// BenchmarkReplay reads and offers every letter in the files.
func BenchmarkReplay(b *testing.B) {
	letters := openBenchmarkLetters(b)
	b.SetBytes(letters.file.size)
	for b.Loop() {
		var endpoint taker
		result, err := letters.Replay(context.Background(), DeadLetterFilter{}, endpoint.offer)
		require.NoError(b, err)
		require.Equal(b, benchmarkLetters, result.Accepted)
		for _, ended := range endpoint.ended {
			ended(delivery.DroppedEvicted)
		}
	}
}
