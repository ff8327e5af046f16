package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestDeadLettersOfAnEarlierRunAreReplayedOnceEach(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusBadRequest })
	config := webhookd.ReplayConfig(t.TempDir(), quick, "- {name: shop, url: '"+r.URL+"'}\n", "- {name: other, url: '"+newReceiver(t).URL+"'}\n")
	first := webhookd.Run(t, config)
	first.Post("t", 1, 300)
	letters := first.AwaitDeadLetters(t, 300)
	first.TerminateAndExpect(0)
	attempts := len(r.requests())

	r.answers(func(int, received) int { return http.StatusOK })
	next := webhookd.Run(t, config)
	require.Equal(t, letters, next.ListDeadLetters())
	require.Equal(t, "shop", letters[0].Endpoint)
	require.Equal(t, "rejected", letters[0].Reason)
	next.Replay(300, "--all")
	requireAll(t, r, 300)
	require.Len(t, r.requests(), attempts+300, "each once")
	before := map[string]string{}
	for i, request := range r.requests() {
		if body, known := before[request.ID]; known && i >= attempts {
			require.Equal(t, body, request.body, "the same event_id, timestamp and broker_id")
		}
		before[request.ID] = request.body
	}

	next.Replay(0, "--all")
	require.Empty(t, next.ListDeadLetters())
	require.Equal(t, 300.0, next.Metric(`webhookd_endpoint_accepted_events_total{endpoint="shop",origin="replay"}`))
	require.Zero(t, next.Metric(`webhookd_endpoint_accepted_events_total{endpoint="other",origin="replay"}`))
	next.TerminateAndExpect(0)
	require.Len(t, r.requests(), attempts+300)
	require.Equal(t, 300, next.Summary("shop").Number("delivered"), "a run that only replayed tells what it did")
}

func TestOnlyTheChosenDeadLettersAreReplayed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusBadRequest })
	p := webhookd.Run(t, webhookd.ReplayConfig(t.TempDir(), quick, "- {name: shop, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 5)
	letters := p.AwaitDeadLetters(t, 5)
	r.answers(func(int, received) int { return http.StatusOK })

	p.Replay(2, letters[1].ID, letters[3].ID)
	webhookd.Eventually(t, func() bool { return len(r.taken("")) == 2 }, "two arrive")
	var taken []string
	for _, event := range r.taken("") {
		taken = append(taken, event.ID)
	}
	require.ElementsMatch(t, []string{letters[1].EventID, letters[3].EventID}, taken)
	p.AwaitDeadLetters(t, 3)
	for _, nothing := range [][]string{{"--since", "0s"}, {"--until", "24h"}, {"--endpoint", "none"}, {"--type", "auth.failure"}, {"--error", "500"}} {
		p.Replay(0, nothing...)
	}
	p.Replay(3, "--since", "24h", "--until", time.Now().Add(time.Hour).Format(time.RFC3339), "--endpoint", "shop", "--type", "message.published", "--error", "400")
	p.AwaitDeadLetters(t, 0)
}

func TestReplayOfMoreThanAQueueHoldsGoesOnWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusBadRequest })
	p := webhookd.Run(t, webhookd.ReplayConfig(t.TempDir(), quick, "- {name: small, url: '"+r.URL+"', queue_size: 100, workers: 2}\n"))
	for from := 1; from <= 500; from += 50 {
		p.Post("t", from, from+49)
		webhookd.Eventually(t, func() bool { return len(r.requests()) == from+49 }, "rejected")
	}
	p.AwaitDeadLetters(t, 500)
	r.answers(func(int, received) int {
		time.Sleep(time.Millisecond)
		return http.StatusOK
	})
	p.Replay(500, "--all")
	requireAll(t, r, 500)
	require.Empty(t, p.ListDeadLetters())
	require.Len(t, r.requests(), 1000, "each once")
	require.Zero(t, p.Metric(`webhookd_endpoint_dropped_events_total{endpoint="small",reason="evicted"}`))
}

func TestReplayGivesUpOnAQueueThatStaysFull(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusBadRequest })
	p := webhookd.Run(t, webhookd.ReplayConfig(t.TempDir(), quick, "- {name: small, url: '"+r.URL+"', queue_size: 100}\n"))
	p.Post("t", 1, 100)
	p.AwaitDeadLetters(t, 100)
	p.Post("t", 101, 120)
	p.AwaitDeadLetters(t, 120)
	r.answers(func(int, received) int { return http.StatusServiceUnavailable })
	began := time.Now()
	code, stdout, stderr := p.DeadLetters("replay", "--all", "--wait", "1s")
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "replayed: 100; their events wait in the queues of their endpoints, or are delivered\n")
	require.Contains(t, stdout, "left, because the queue of their endpoint is full: 20\n")
	require.Contains(t, stderr, "waiting for room in the queue of their endpoint: 20\n")
	require.Contains(t, stderr, "dead letters that are not replayed: 20\n")
	require.Greater(t, time.Since(began), time.Second)
}

func TestDeadLettersOnATerminal(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusBadRequest })
	dir := t.TempDir()
	address := freeAddress(t)
	config := strings.Replace(webhookd.ReplayConfig(dir, "", "- {name: shop, url: '"+r.URL+"'}\n"),
		"admin:\n  listen: 127.0.0.1:0", "admin:\n  listen: "+address, 1)
	p := webhookd.RunIn(t, dir, config)
	p.Post("next line \u0085, right-to-left \u202e", 1, 1)
	letter := p.AwaitDeadLetters(t, 1)[0]
	file := filepath.Join(dir, "webhookd.yml")

	code, stdout, stderr := webhookd.Command("dead-letters", "list", "--config", file)
	require.Zero(t, code, stderr)
	lines := strings.Split(stdout, "\n")
	require.Len(t, lines, 3)
	require.Equal(t, []string{"TIME", "ENDPOINT", "TYPE", "REASON", "ATTEMPTS", "ERROR", "ID"}, strings.Fields(lines[0]))
	for _, column := range []string{"shop", "message.published", "rejected", letter.ID} {
		require.Contains(t, lines[1], column)
	}
	for _, flags := range [][]string{{}, {"--json"}} {
		code, stdout, _ = webhookd.Command(append([]string{"dead-letters", "show", letter.ID, "--config", file}, flags...)...)
		require.Zero(t, code)
		require.Contains(t, stdout, `next line \u0085, right-to-left \u202e`)
		require.False(t, strings.ContainsAny(stdout, "\u0085\u202e"))
	}
	r.answers(func(int, received) int { return http.StatusOK })
	code, stdout, _ = webhookd.Command("dead-letters", "replay", "--config", file, letter.ID)
	require.Zero(t, code)
	require.Equal(t, "replayed: 1; their events wait in the queues of their endpoints, or are delivered\n", stdout)
	require.Empty(t, p.ListDeadLetters(), "it is no dead letter any more")
	code, stdout, _ = webhookd.Command("dead-letters", "replay", "--config", file, "--all")
	require.Zero(t, code)
	require.Equal(t, "replayed: 0\n", stdout)

	code, _, stderr = webhookd.Command("dead-letters", "list", "--url", "http://"+address, "--token", "wrong")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the admin side answers 401: the bearer token is wrong: show admin.token")
	code, _, stderr = webhookd.Command("dead-letters", "show", "--config", file, "00000000-0000-0000-0000-000000000007")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no dead letter with this id is kept")
	p.TerminateAndExpect(0)
	code, _, stderr = webhookd.Command("dead-letters", "list", "--config", file)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "connection refused")
}

func TestDeadLettersCommandThatCanNotWorkIsAUsageError(t *testing.T) {
	t.Parallel()
	configured := func(admin string) string {
		file := filepath.Join(t.TempDir(), "webhookd.yml")
		require.NoError(t, os.WriteFile(file, []byte("webhook: {endpoints: [{name: a, url: 'http://a.test/'}]}\n"+admin), 0o600))
		return file
	}
	url := []string{"--url", "http://127.0.0.1:1", "--token", "t"}
	for name, c := range map[string]struct {
		args    []string
		problem string
	}{
		"nothing to ask":     {[]string{"list"}, "--config"},
		"two to ask":         {append([]string{"list", "--config", "x"}, url...), "--config"},
		"nothing chosen":     {append([]string{"replay"}, url...), "give --all"},
		"no id":              {append([]string{"replay", "7"}, url...), "7 is no id of a dead letter"},
		"no id to show":      {append([]string{"show", "7"}, url...), "7 is no id of a dead letter"},
		"no id to go on":     {append([]string{"list", "--after", "7"}, url...), "7 is no id of a dead letter"},
		"no type":            {append([]string{"list", "--type", "nope"}, url...), `unknown event type "nope"`},
		"no time":            {append([]string{"list", "--since", "yesterday"}, url...), "no time by RFC 3339"},
		"the future":         {append([]string{"list", "--since=-1h"}, url...), "is in the future"},
		"no limit":           {append([]string{"list", "--limit", "0"}, url...), "--limit is 0"},
		"nothing to delete":  {append([]string{"delete"}, url...), "give --all"},
		"an empty choice":    {append([]string{"delete", "--endpoint="}, url...), "it is empty: leave it out to choose all"},
		"no id to delete":    {append([]string{"delete", ""}, url...), "is no id of a dead letter"},
		"no pace":            {append([]string{"replay", "--all", "--per-second", "0"}, url...), "--per-second must be 0.1 to 1000000"},
		"no URL":             {[]string{"list", "--url", "127.0.0.1:9090", "--token", "t"}, "--url is no URL"},
		"no token":           {[]string{"list", "--url", "http://127.0.0.1:1"}, "admin.token"},
		"no admin section":   {[]string{"list", "--config", configured("")}, "admin:\n"},
		"no token in config": {[]string{"list", "--config", configured("admin: {}\n")}, "admin.token"},
		"a free port":        {[]string{"list", "--config", configured("admin: {listen: '127.0.0.1:0', token: t}\n")}, "give --url"},
		"no configuration":   {[]string{"list", "--config", "/no/such/file"}, "/no/such/file"},
	} {
		code, _, stderr := webhookd.Command(append([]string{"dead-letters"}, c.args...)...)
		require.Equal(t, 2, code, "%s: %s", name, stderr)
		require.Contains(t, stderr, c.problem, name)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}
