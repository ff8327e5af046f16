package webhookd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long tests wait for what has to come.
const Patience = 30 * time.Second

// Within waits until the condition holds, and tells whether it came to that.
func Within(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

// Eventually fails the test when the condition does not hold in time.
func Eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.True(t, Within(Patience, condition), what)
}
