package webhookd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// AdminToken is the admin.token of ReplayConfig.
const AdminToken = "admin-t0ken"

// ReplayConfig is IngestConfig with a store in this folder, and a token to see and replay dead letters.
func ReplayConfig(dir, webhook string, endpoints ...string) string {
	return IngestConfig(webhook, endpoints...) + "  token: " + AdminToken + "\nstore: {dir: '" + dir + "'}\n"
}

// ListedLetter is what tests look at in a dead letter that the program lists.
type ListedLetter struct {
	ID       string
	Endpoint string
	Reason   string
	EventID  string `json:"event_id"`
}

// ListDeadLetters lists what `webhookd dead-letters list` does with these flags, however many there are.
func (p *Process) ListDeadLetters(flags ...string) []ListedLetter {
	p.t.Helper()
	code, stdout, stderr := p.DeadLetters("list", append([]string{"--json", "--limit", "1000000"}, flags...)...)
	require.Zero(p.t, code, stderr)
	var letters []ListedLetter
	for line := range strings.Lines(stdout) {
		var letter ListedLetter
		require.NoError(p.t, json.Unmarshal([]byte(line), &letter))
		letters = append(letters, letter)
	}
	return letters
}

// DeadLetters runs `webhookd dead-letters` with a subcommand and flags against the running program.
func (p *Process) DeadLetters(subcommand string, flags ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	arguments := []string{"dead-letters", subcommand, "--url", "http://" + p.address("admin side is open"), "--token", AdminToken}
	return Command(append(arguments, flags...)...)
}

// Replay replays, which has to accept so many events.
func (p *Process) Replay(accepted int, flags ...string) {
	p.t.Helper()
	code, stdout, stderr := p.DeadLetters("replay", append([]string{"--json"}, flags...)...)
	require.Zero(p.t, code, stderr)
	var result struct{ Accepted int }
	require.NoError(p.t, json.Unmarshal([]byte(stdout), &result))
	require.Equal(p.t, accepted, result.Accepted, stderr)
}

// AwaitDeadLetters waits until there are so many dead letters.
func (p *Process) AwaitDeadLetters(t *testing.T, letters int) []ListedLetter {
	t.Helper()
	var listed []ListedLetter
	Eventually(t, func() bool {
		listed = p.ListDeadLetters()
		return len(listed) == letters
	}, "there are so many dead letters")
	return listed
}
