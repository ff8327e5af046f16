package faults

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// turning is a receiver that rejects every event until it is turned; from then on it takes them, slowly.
type turning struct {
	*httptest.Server
	mu     sync.Mutex
	turned bool
	taken  map[string]int // how often, by event id
}

func newTurning(t *testing.T) *turning {
	t.Helper()
	r := &turning{taken: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *turning) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.turned {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(time.Millisecond) // the lock makes this the time of each request
	r.taken[request.Header.Get("Webhook-Id")]++
}

func (r *turning) turn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turned = true
}

// counts are how many events were taken, and how many times in all.
func (r *turning) counts() (events, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.taken {
		times += n
	}
	return len(r.taken), times
}

func TestCrashAmidDeadLettersLeavesThoseThatAreFinishedToBeReplayed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver := newTurning(t)
	config := webhookd.ReplayConfig(dir, settings(timeout), endpoint("turning", receiver.URL, "storm"))
	crashed := webhookd.Run(t, config)
	crashed.Post("storm", 1, 200)
	awaitDeadLettered(t, crashed, "turning", 200)
	crashed.Post("storm", 201, 5000) // the crash comes amid them
	crashed.Signal(syscall.SIGKILL)
	require.Equal(t, -1, crashed.Exit())
	tear(t, dir)
	finished, _ := webhookd.DeadLetters(t, dir)
	require.GreaterOrEqual(t, len(finished), 200)

	receiver.turn()
	next := webhookd.Run(t, config)
	require.Len(t, next.ListDeadLetters(), len(finished))
	next.Replay(len(finished), "--all")
	next.AwaitOpenDeadLetters(t, 0)
	events, times := receiver.counts()
	require.Equal(t, len(finished), events)
	require.Equal(t, len(finished), times)
	next.TerminateAndExpect(0)
}

// tear leaves the file as a crash in the middle of a write does.
func tear(t *testing.T, dir string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, "dead-letters.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"id":"4d9e2a52-6b5c-4a59-8b1f-1f6f7ba42b43","endpoint":"turning","event":{"event_ty`)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func TestCrashDuringAReplayLosesNothing(t *testing.T) {
	t.Parallel()
	const letters, inFlight = 2000, 5
	dir := t.TempDir()
	receiver := newTurning(t)
	config := webhookd.ReplayConfig(dir, settings(timeout), endpoint("turning", receiver.URL, "storm"))
	crashed := webhookd.Run(t, config)
	crashed.Post("storm", 1, letters)
	awaitDeadLettered(t, crashed, "turning", letters)
	receiver.turn()
	crashed.Replay(letters, "--all")
	webhookd.Eventually(t, func() bool { events, _ := receiver.counts(); return events > letters/4 }, "the replay is under way")
	crashed.Signal(syscall.SIGKILL)
	require.Equal(t, -1, crashed.Exit())
	before, _ := receiver.counts()
	require.Less(t, before, letters)

	next := webhookd.Run(t, config)
	open := len(next.ListDeadLetters())
	require.Equal(t, letters-open, len(next.ListDeadLetters("--replayed", "true")))
	next.Replay(open, "--all")
	next.AwaitOpenDeadLetters(t, 0)
	events, times := receiver.counts()
	require.Equal(t, letters, events, "nothing is lost")
	require.LessOrEqual(t, times, before+inFlight+open, "twice came only what had no mark yet")
	t.Logf("%d events came twice", times-letters)
	next.TerminateAndExpect(0)
}
