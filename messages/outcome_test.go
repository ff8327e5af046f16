package messages

import (
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
