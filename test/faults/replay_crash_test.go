package faults

import (
	"net/http"
	"net/http/httptest"
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

func TestCrashAmidDeadLettersLosesNoEvent(t *testing.T) {
	t.Parallel()
	receiver := newTurning(t)
	config := webhookd.ReplayConfig(t.TempDir(), settings(timeout), endpoint("turning", receiver.URL, "storm"))
	crashed := webhookd.Run(t, config)
	crashed.Post("storm", 1, 200)
	crashed.AwaitDeadLetters(t, 200)
	crashed.Post("storm", 201, 5000) // the crash comes amid them
	crashed.Signal(syscall.SIGKILL)
	require.Equal(t, -1, crashed.Exit())

	receiver.turn()
	next := webhookd.Run(t, config)
	letters := next.ListDeadLetters()
	require.GreaterOrEqual(t, len(letters), 200)
	next.Replay(len(letters), "--all")
	webhookd.Eventually(t, func() bool { events, _ := receiver.counts(); return events == 5000 }, "every event arrives")
	require.Empty(t, next.ListDeadLetters())
	next.TerminateAndExpect(0)
}

func TestCrashDuringAReplayLosesNothing(t *testing.T) {
	t.Parallel()
	const letters = 2000
	receiver := newTurning(t)
	config := webhookd.ReplayConfig(t.TempDir(), settings(timeout), endpoint("turning", receiver.URL, "storm"))
	crashed := webhookd.Run(t, config)
	crashed.Post("storm", 1, letters)
	crashed.AwaitDeadLetters(t, letters)
	receiver.turn()
	crashed.Replay(letters, "--all")
	webhookd.Eventually(t, func() bool { events, _ := receiver.counts(); return events > letters/4 }, "the replay is under way")
	crashed.Signal(syscall.SIGKILL)
	require.Equal(t, -1, crashed.Exit())
	before, _ := receiver.counts()
	require.Less(t, before, letters)

	next := webhookd.Run(t, config)
	next.Replay(len(next.ListDeadLetters()), "--all")
	webhookd.Eventually(t, func() bool { events, _ := receiver.counts(); return events == letters }, "every event arrives")
	require.Empty(t, next.ListDeadLetters())
	next.TerminateAndExpect(0)
	events, times := receiver.counts()
	require.Equal(t, letters, events)
	t.Logf("%d events came twice", times-letters)
}
