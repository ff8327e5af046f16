package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

const adminToken = "admin-t0ken"

// withLetters is a running webhookd with so many dead letters.
func withLetters(t *testing.T, letters int, event string, change func(*config.Config)) *service.Service {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(receiver.Close)
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: receiver.URL}}
	cfg.Webhook.Defaults.CircuitBreaker.RejectionThreshold = config.NoRejectionThreshold
	cfg.Sources.Ingest = &config.Ingest{Listen: "127.0.0.1:0", MaxBodyBytes: config.DefaultMaxBodyBytes}
	cfg.Admin = &config.Admin{Listen: "127.0.0.1:0", Token: adminToken}
	if change != nil {
		change(&cfg)
	}
	s, err := service.Start(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		var lost *router.LostError // where the test leaves something to be given up
		if err := s.Stop(context.Background()); !errors.As(err, &lost) {
			require.NoError(t, err)
		}
	})
	if letters == 0 {
		return s
	}
	response, err := http.Post("http://"+s.Ingest.Addr().String()+"/v1/events", "application/x-ndjson", strings.NewReader(strings.Repeat(event+"\n", letters)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	require.Eventually(t, func() bool { return s.Router.Stats().Endpoints[0].Bytes == 0 }, 30*time.Second, 5*time.Millisecond)
	return s
}

const smallEvent = `{"event_type":"message.published","data":{"client_id":"c","topic":"t"}}`

// deadLetters runs the command against the service.
func deadLetters(s *service.Service, args ...string) (code int, stdout, stderr string) {
	where := []string{"--url", "http://" + s.Admin.Addr().String()}
	if !slices.Contains(args, "--token") {
		where = append(where, "--token", adminToken)
	}
	return executed(append(append([]string{"dead-letters"}, args...), where...)...)
}

func executed(args ...string) (code int, stdout, stderr string) {
	var out, complaints bytes.Buffer
	code = execute(args, console{out: &out, err: &complaints})
	return code, out.String(), complaints.String()
}

func idsOf(t *testing.T, lines string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(lines) {
		var letter struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(line), &letter))
		ids = append(ids, letter.ID)
	}
	return ids
}

func TestListPrintsUpToTheLimitAndGoesOnAfterIt(t *testing.T) {
	s := withLetters(t, 7, smallEvent, nil)
	_, stdout, stderr := deadLetters(s, "list", "--json")
	require.Empty(t, stderr)
	all := idsOf(t, stdout)
	require.Len(t, all, 7)

	code, stdout, stderr := deadLetters(s, "list", "--json", "--limit", "3")
	require.Zero(t, code)
	require.Equal(t, all[:3], idsOf(t, stdout))
	require.Equal(t, "there are more: --after "+all[2]+" lists them\n", stderr)

	code, stdout, stderr = deadLetters(s, "list", "--json", "--after", all[2], "--limit", "4")
	require.Zero(t, code)
	require.Equal(t, all[3:], idsOf(t, stdout))
	require.Empty(t, stderr)

	_, stdout, _ = deadLetters(s, "list", "--json", "--after", all[6])
	require.Empty(t, stdout)
}

func TestListOfMoreThanAPageIsOneList(t *testing.T) {
	s := withLetters(t, 2*lettersPage+5, smallEvent, nil)
	_, stdout, stderr := deadLetters(s, "list", "--limit", fmt.Sprint(2*lettersPage+3))
	require.Equal(t, 1+2*lettersPage+3, strings.Count(stdout, "\n"), "with one head")
	require.Contains(t, stderr, "there are more")
	_, stdout, stderr = deadLetters(s, "list", "--json", "--limit", "1000000")
	ids := idsOf(t, stdout)
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 2*lettersPage+5)
	require.Empty(t, stderr)
}

func TestTokenOfTheCommandLineGoesBeforeThatOfTheConfiguration(t *testing.T) {
	s := withLetters(t, 0, "", nil)
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	for _, c := range []struct {
		configured, given, environment string
		code                           int
	}{
		{adminToken, "", "", 0},
		{adminToken, "wrong", "", 1},
		{"wrong", "", "", 1},
		{"wrong", adminToken, "", 0},
		{"wrong", "", adminToken, 0},
		{adminToken, adminToken, "wrong", 0},
	} {
		text := fmt.Sprintf("admin: {listen: %q, token: %q}\n", s.Admin.Addr(), c.configured)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		args := []string{"dead-letters", "list", "--config", file}
		if c.given != "" {
			args = append(args, "--token", c.given)
		}
		t.Setenv("WEBHOOKD_ADMIN_TOKEN", c.environment)
		code, _, stderr := executed(args...)
		require.Equal(t, c.code, code, "%+v: %s", c, stderr)
	}
}

func TestReplayWaitsForRoomAsLongAsItIsToldTo(t *testing.T) {
	s := withLetters(t, config.MinQueueSize, smallEvent, func(cfg *config.Config) {
		cfg.Webhook.ShutdownTimeout = time.Second
		hung := make(chan struct{})
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			body, _ := io.ReadAll(request.Body)
			if bytes.Contains(body, []byte(`"topic":"hang"`)) {
				<-hung
			}
			w.WriteHeader(http.StatusBadRequest)
		}))
		t.Cleanup(func() { close(hung); receiver.Close() })
		cfg.Webhook.Endpoints[0].URL, cfg.Webhook.Endpoints[0].QueueSize = receiver.URL, config.MinQueueSize
		cfg.Webhook.Endpoints[0].Timeout = 30 * time.Second
	})
	hang := strings.Replace(smallEvent, `"topic":"t"`, `"topic":"hang"`, 1) + "\n"
	response, err := http.Post("http://"+s.Ingest.Addr().String()+"/v1/events", "application/x-ndjson", strings.NewReader(strings.Repeat(hang, config.MinQueueSize)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Eventually(t, func() bool { return s.Router.Stats().Endpoints[0].Held() == config.MinQueueSize }, 10*time.Second, 5*time.Millisecond)

	began := time.Now()
	code, stdout, _ := deadLetters(s, "replay", "--all", "--wait", "0s")
	require.Equal(t, exitError, code)
	require.Contains(t, stdout, "replayed: 0\n")
	require.Less(t, time.Since(began), replayPause, "0s asks once")

	began = time.Now()
	code, stdout, _ = deadLetters(s, "replay", "--all", "--wait", "700ms")
	require.Equal(t, exitError, code)
	require.Contains(t, stdout, "left, because the queue of their endpoint is full: 100\n")
	require.GreaterOrEqual(t, time.Since(began), 700*time.Millisecond)
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestDryRunSaysHowManyAreChosenAndDoesNothing(t *testing.T) {
	s := withLetters(t, 7, smallEvent, nil)
	_, stdout, _ := deadLetters(s, "list", "--json")
	ids := idsOf(t, stdout)

	for _, c := range []struct {
		args   []string
		stdout string
	}{
		{[]string{"replay", "--all", "--dry-run"}, "would be replayed, where their endpoint has room: 7\n"},
		{[]string{"replay", ids[1], ids[3], "--dry-run"}, "would be replayed, where their endpoint has room: 2\n"},
		{[]string{"delete", "--all", "--dry-run"}, "would be deleted: 7\n"},
		{[]string{"delete", "--endpoint", "a", "--error", "400", "--since", "1h", "--dry-run"}, "would be deleted: 7\n"},
		{[]string{"delete", "--until", "1h", "--dry-run"}, "would be deleted: 0\n"},
	} {
		code, stdout, stderr := deadLetters(s, c.args...)
		require.Zero(t, code, stderr)
		require.Equal(t, c.stdout, stdout, c.args)
	}
	_, stdout, _ = deadLetters(s, "delete", "--all", "--dry-run", "--json")
	require.Contains(t, stdout, `{"chosen":7,"deleted":0,"until":"`)
	_, stdout, _ = deadLetters(s, "list", "--json")
	require.Equal(t, ids, idsOf(t, stdout))
	require.EqualValues(t, 7, s.Router.Stats().Endpoints[0].Accepted, "nothing was replayed")
}

func TestDeleteDeletesWhatIsChosen(t *testing.T) {
	s := withLetters(t, 7, smallEvent, nil)
	_, stdout, _ := deadLetters(s, "list", "--json")
	ids := idsOf(t, stdout)

	code, stdout, stderr := deadLetters(s, "delete", ids[0], ids[6])
	require.Zero(t, code, stderr)
	require.Equal(t, "deleted: 2\n", stdout)
	_, stdout, _ = deadLetters(s, "list", "--json", ids[0], ids[1], ids[2])
	require.Equal(t, ids[1:3], idsOf(t, stdout), "a list of ids has those that there are")
	_, stdout, _ = deadLetters(s, "delete", "--endpoint", "none")
	require.Equal(t, "deleted: 0\n", stdout)
	_, stdout, _ = deadLetters(s, "delete", "--all")
	require.Equal(t, "deleted: 5\n", stdout)
	_, stdout, _ = deadLetters(s, "list", "--json")
	require.Empty(t, stdout)
}

func TestExportWritesEachDeadLetterWithItsEvent(t *testing.T) {
	const letters = 700 // more than the admin side looks at together
	event := strings.Replace(smallEvent, `"topic":"t"`, `"topic":"next line \u0085"`, 1)
	s := withLetters(t, letters, event, nil)
	code, stdout, stderr := deadLetters(s, "export")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	_, listed, _ := deadLetters(s, "list", "--json", "--limit", "1000")
	require.Equal(t, idsOf(t, listed), idsOf(t, stdout))
	for line := range strings.Lines(stdout) {
		require.Contains(t, line, `next line \u0085`, "nothing reaches the terminal as it is")
		var letter struct {
			EventID string `json:"event_id"`
			Event   struct {
				ID   string `json:"event_id"`
				Data struct{ Topic string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &letter))
		require.Equal(t, letter.EventID, letter.Event.ID)
		require.Equal(t, "next line \u0085", letter.Event.Data.Topic)
	}
	chosen := idsOf(t, stdout)[5]
	_, stdout, _ = deadLetters(s, "export", chosen)
	require.Equal(t, []string{chosen}, idsOf(t, stdout))
	code, stdout, _ = deadLetters(s, "export", "--endpoint", "none")
	require.Zero(t, code)
	require.Empty(t, stdout)
}

func TestExportThatIsCutOffIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	code, stdout, stderr := executed("dead-letters", "export", "--url", server.URL, "--token", "t")
	require.Equal(t, exitError, code)
	require.Equal(t, "{}\n", stdout)
	require.Contains(t, stderr, "the answer is not whole: unexpected EOF")
}

func TestReplayIsPacedAndStopsWithItsCommand(t *testing.T) {
	s := withLetters(t, 100, smallEvent, func(cfg *config.Config) { cfg.Webhook.ShutdownTimeout = time.Second })
	began := time.Now()
	code, stdout, stderr := deadLetters(s, "replay", "--all", "--per-second", "100")
	require.Zero(t, code, stderr)
	require.Equal(t, "replayed: 100; their events wait in the queues of their endpoints, or are delivered\n", stdout)
	require.GreaterOrEqual(t, time.Since(began), 990*time.Millisecond)
	require.Eventually(t, func() bool { return s.Router.Stats().Endpoints[0].Bytes == 0 }, 10*time.Second, 5*time.Millisecond)

	signals := make(chan os.Signal, 1)
	accepted := func() uint64 { return s.Router.Stats().Endpoints[0].AcceptedReplay - 100 }
	go func() {
		for accepted() == 0 {
			time.Sleep(time.Millisecond)
		}
		signals <- os.Interrupt
	}()
	var out, complaints bytes.Buffer
	code = execute([]string{"dead-letters", "replay", "--all", "--per-second", "1", "--url", "http://" + s.Admin.Addr().String(), "--token", adminToken},
		console{out: &out, err: &complaints, signals: signals})
	require.Equal(t, exitError, code)
	require.Contains(t, complaints.String(), "stopped")
	require.EqualValues(t, 1, accepted())
	require.Never(t, func() bool { return accepted() > 1 }, 1500*time.Millisecond, 100*time.Millisecond, "the server has stopped too")
}

func TestReplayGoesOnWhereTheAdminSideAnswersBeforeItsEnd(t *testing.T) {
	var asked []string
	answers := []string{
		`{"chosen":60,"accepted":60,"more":true,"until":"2026-02-05T12:00:00Z"}`,
		`{"chosen":63,"accepted":60,"too_large":3,"more":true,"until":"2026-02-05T12:00:00Z"}`,
		`{"chosen":13,"accepted":10,"too_large":3,"until":"2026-02-05T12:00:00Z"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		asked = append(asked, strings.TrimSpace(string(body)))
		_, _ = io.WriteString(w, answers[len(asked)-1])
	}))
	defer server.Close()
	code, stdout, _ := executed("dead-letters", "replay", "--endpoint", "a", "--per-second", "2", "--json", "--url", server.URL, "--token", "t")
	require.Equal(t, exitError, code, "three are left")
	require.JSONEq(t, `{"chosen":133,"accepted":130,"left":0,"unknown_endpoint":0,"too_large":3,"unreadable":0,"until":"2026-02-05T12:00:00Z"}`, stdout)
	next := `{"endpoint":"a","until":"2026-02-05T12:00:00Z","per_second":2}`
	require.Equal(t, []string{`{"endpoint":"a","per_second":2}`, next, next}, asked)
}

func TestWhatWouldChooseEverythingUnaskedIsAUsageError(t *testing.T) {
	for _, args := range [][]string{
		{"replay"}, {"delete"}, {"delete", "--dry-run"}, {"delete", "--endpoint", ""}, {"delete", "--error="}, {"delete", "--type", ""},
		{"delete", "--since="}, {"delete", "--until", ""}, {"delete", ""}, {"replay", "--endpoint=", "--all"}, {"export", "--endpoint", ""},
		{"list", "--error", ""}, {"replay", "--all", "--per-second", "0"}, {"replay", "--all", "--per-second", "0.09"},
		{"replay", "--all", "--per-second", "NaN"}, {"replay", "--all", "--per-second="}, {"replay", "--all", "--wait=-1s"},
	} {
		args = append(append([]string{"dead-letters"}, args...), "--url", "http://127.0.0.1:1", "--token", "t")
		code, _, stderr := executed(args...)
		require.Equal(t, exitUsage, code, "%q: %s", args, stderr)
	}
}
