package messages

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutcomeKindNamesItself(t *testing.T) {
	var names []string
	for _, kind := range OutcomeKinds() {
		names = append(names, kind.String())
	}

	require.Equal(t, []string{
		"delivered", "rejected", "failed", "away", "throttled", "not_processed", "local",
	}, names)
	require.Equal(t, "invalid kind 0", OutcomeKind(0).String())
	require.Equal(t, "invalid kind 9", OutcomeKind(9).String())
}

func TestOutcomeTellsThatItsAttemptWasCancelled(t *testing.T) {
	require.True(t, Outcome{Err: fmt.Errorf("the attempt was cut short: %w", context.Canceled)}.Cancelled())
	require.False(t, Outcome{Err: context.DeadlineExceeded}.Cancelled())
	require.False(t, Outcome{}.Cancelled())
}
