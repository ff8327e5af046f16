package main

import (
	"bytes"
	"context"
	"encoding/json"
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
)

const adminToken = "admin-t0ken"

// withLetters is a running webhookd with so many open dead letters, in the folder that its configuration names.
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
	cfg.DeadLetters.Dir = config.Path(t.TempDir())
	if change != nil {
		change(&cfg)
	}
	s, err := service.Start(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
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
	var out, errors bytes.Buffer
	code = execute(args, console{out: &out, err: &errors})
	return code, out.String(), errors.String()
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
	s := withLetters(t, 2*maxLettersPage+5, smallEvent, nil)
	_, stdout, stderr := deadLetters(s, "list", "--limit", fmt.Sprint(2*maxLettersPage+3))
	require.Equal(t, 1+2*maxLettersPage+3, strings.Count(stdout, "\n"), "with one head")
	require.Contains(t, stderr, "there are more")
	_, stdout, stderr = deadLetters(s, "list", "--json", "--limit", "1000000")
	ids := idsOf(t, stdout)
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 2*maxLettersPage+5)
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

func TestFilterThatIsGivenButEmptyChoosesNothing(t *testing.T) {
	s := withLetters(t, 1, smallEvent, nil)
	for _, args := range [][]string{
		{"--endpoint", ""}, {"--endpoint="}, {"--error", ""}, {"--type", ""}, {"--since", ""}, {"--until", ""},
		{"--since", "0001-01-01T00:00:00Z"}, {"--until", "0001-01-01T00:00:00Z"},
	} {
		for _, beside := range [][]string{{"list"}, {"replay"}, {"replay", "--all"}} {
			code, stdout, stderr := deadLetters(s, append(beside, args...)...)
			require.Equal(t, exitUsage, code, "%s %s: %s", beside, args, stdout)
			require.Contains(t, stderr, strings.TrimSuffix(args[0], "="))
		}
	}
	code, _, _ := deadLetters(s, "replay", "")
	require.Equal(t, exitUsage, code)
	_, stdout, _ := deadLetters(s, "list", "--json", "--replayed", "all")
	require.Len(t, idsOf(t, stdout), 1)
	require.NotContains(t, stdout, "replay", "nothing was replayed")
}

func TestReplayThatLeavesLettersThatAreTooLargeFails(t *testing.T) {
	dir := config.Path(t.TempDir())
	large := strings.Replace(smallEvent, `"topic":"t"`, `"topic":"t","payload":"`+strings.Repeat("QUJD", 30_000)+`"`, 1)
	first := withLetters(t, 2, large, func(cfg *config.Config) {
		cfg.Webhook.IncludePayload = true
		cfg.DeadLetters.Dir = dir
	})
	require.NoError(t, first.Stop(t.Context()))

	next := withLetters(t, 0, "", func(cfg *config.Config) {
		cfg.Webhook.MaxPayloadBytes = 1 << 10
		cfg.Webhook.Endpoints[0].QueueBytes = 64 << 10
		cfg.DeadLetters.Dir = dir
	})
	code, stdout, stderr := deadLetters(next, "replay", "--all")
	require.Equal(t, exitError, code)
	require.Equal(t, "replayed: 0\nleft, because they are larger than the queue of their endpoint (queue_bytes): 2\n", stdout)
	require.Contains(t, stderr, "dead letters that are not replayed: 2\n")
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
