package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (p *program) signalAndExpect(code int) {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	require.Equal(p.t, code, p.exit(), "the exit code")
}

func TestSIGTERMWithFiveThousandPendingDeliversThem(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int {
		time.Sleep(time.Millisecond) // the receiver's lock makes this the time of each request
		return http.StatusOK
	})
	p := run(t, ingestConfig("", "- {name: slow, url: '"+r.URL+"'}\n"))
	p.post(1, 5000)
	p.signalAndExpect(0)
	require.Len(t, r.taken(""), 5000)
	summary := p.summary("slow")
	require.Equal(t, 5000, summary.number("accepted"))
	require.Equal(t, 5000, summary.number("delivered"))
	require.Zero(t, summary.number("lost"))
}

func TestSIGTERMWithAnEndpointAwayTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	p := run(t, ingestConfig("", "- {name: away, url: '"+r.URL+"'}\n"))
	p.post(1, 5000)
	p.await("circuit breaker opened: events wait until the endpoint is back")

	began := time.Now()
	p.signalAndExpect(3)
	require.Less(t, time.Since(began), 10*time.Second, "nobody waits for an endpoint that is away")
	require.Equal(t, 5000, p.summary("away").number("dead_lettered", "shutdown"))
	require.Equal(t, 5000, p.summary("away").number("lost"))
	require.Equal(t, 5000, p.await("events are LOST: they were still held, and no place keeps them").number("events"))
}

func TestSIGTERMWithADeadLetterFolderLosesNothing(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	dir := filepath.Join(t.TempDir(), "dead letters")
	p := run(t, ingestConfig("", "- {name: away, url: '"+r.URL+"'}\n")+"dead_letters: {dir: '"+dir+"'}\n")
	p.post(1, 5000)
	p.signalAndExpect(0)

	file, err := os.Open(filepath.Join(dir, "dead-letters.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	ids := map[string]bool{}
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var letter struct {
			Endpoint, Reason string
			Event            received
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &letter))
		require.Equal(t, "shutdown", letter.Reason)
		ids[letter.Event.ID] = true
	}
	require.Len(t, ids, 5000)
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	release := make(chan struct{})
	r.answers(func(int, received) int {
		<-release
		return http.StatusOK
	})
	defer close(release)
	p := run(t, ingestConfig("defaults: {timeout: 60s}\nshutdown_timeout: 60s\n", "- {name: hung, url: '"+r.URL+"'}\n"))
	p.post(1, 10)
	eventually(t, func() bool { return p.metric(`webhookd_endpoint_held_events{endpoint="hung",state="in_flight"}`) == "5" }, "requests are in flight")
	p.signal(syscall.SIGTERM)
	p.await("stopping: a second signal stops at once")
	p.signal(syscall.SIGINT)
	began := time.Now()
	require.Equal(t, 3, p.exit())
	require.Less(t, time.Since(began), 5*time.Second)
}
