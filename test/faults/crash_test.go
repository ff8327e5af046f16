package faults

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestCrashLeavesFinishedDeadLettersWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := webhookd.IngestConfig(settings(timeout), endpoint("rejecting", newRejectingReceiver(t), "storm")) + "dead_letters: {dir: '" + dir + "'}\n"

	crashed := webhookd.Run(t, config)
	endAudit := audit(t, crashed)
	crashed.Post("storm", 1, 200)
	awaitDeadLettered(t, crashed, "rejecting", 200)
	endAudit()
	crashed.Post("storm", 201, 5000) // the crash comes amid them
	crashed.Signal(syscall.SIGKILL)
	require.Equal(t, -1, crashed.Exit())
	letters, torn := webhookd.DeadLetters(t, dir)
	require.GreaterOrEqual(t, len(letters), 200)
	require.Less(t, len(letters), 5000)
	require.LessOrEqual(t, torn, 1)
	requireOnce(t, letters)

	next := webhookd.Run(t, config)
	next.Post("storm", 5001, 5100)
	awaitDeadLettered(t, next, "rejecting", 100)
	next.TerminateAndExpect(0)
	after, tornAfter := webhookd.DeadLetters(t, dir)
	require.Equal(t, letters, after[:len(letters)])
	require.Len(t, after, len(letters)+100)
	require.Equal(t, torn, tornAfter)
}
