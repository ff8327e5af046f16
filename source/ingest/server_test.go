package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	token    = "s3cr3t-t0ken"
	// maxBody and maxEvents are the bounds of every server here.
	maxBody, maxEvents = 2000, 5
)

var now = time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)

// recorder is a router that keeps the bodies of what it took.
type recorder struct {
	err     error         // of every call
	panics  bool          // at every call
	entered chan struct{} // where not nil, a call says that it has begun
	release chan struct{} // and waits until it may go on

	mu    sync.Mutex
	taken [][]string // of each call
}

func (r *recorder) NotifySafe(ctx context.Context, envelopes ...*messages.Envelope) error {
	if r.entered != nil {
		r.entered <- struct{}{}
		select {
		case <-r.release:
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", context.Cause(ctx))
		}
	}
	if r.panics {
		panic("the router is broken")
	}
	if r.err != nil {
		return r.err
	}
	var bodies []string
	for _, envelope := range envelopes {
		if err := envelope.Admit(messages.Admission{BrokerID: "here", IncludePayload: true, MaxPayloadBytes: 1 << 20}, now); err != nil {
			return err
		}
		body := envelope.Body()
		bodies = append(bodies, string(body))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, bodies)
	return nil
}

func (r *recorder) calls() [][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// started is a server that runs until the test ends, and what there is to talk to it and watch it.
type started struct {
	*Server
	router *recorder
	logged *syncBuffer
	client *http.Client
}

func start(t *testing.T, router *recorder, adjust ...func(*Server)) started {
	t.Helper()
	s := started{router: router, logged: new(syncBuffer)}
	cfg := config.Ingest{Listen: "127.0.0.1:0", Token: token, MaxBodyBytes: maxBody}
	log := slog.New(slog.NewTextHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	s.Server, err = New(cfg, maxEvents, router, log)
	require.NoError(t, err)
	for _, f := range adjust {
		f(s.Server)
	}
	require.Nil(t, s.Addr())
	require.NoError(t, s.Start())
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	s.client = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Close(ctx))
	})
	return s
}

// request is a POST with the token and a JSON body; tests change it as they need.
func (s started) request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr().String()+path, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s started) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := s.client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	return answer{response.StatusCode, response.Header, strings.TrimSuffix(string(body), "\n")}
}

func (s started) post(t *testing.T, contentType, body string) answer {
	t.Helper()
	r := s.request(t, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return s.send(t, r)
}

// syncBuffer is a log that many goroutines may write.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestNewRefusesWhatCanNotServe(t *testing.T) {
	good := config.Ingest{Listen: "127.0.0.1:8080", MaxBodyBytes: config.DefaultMaxBodyBytes}
	for name, c := range map[string]struct {
		change    func(*config.Ingest)
		queueSize int
		problem   string
	}{
		"no address":   {func(c *config.Ingest) { c.Listen = "" }, 100, `listen address "": missing port in address`},
		"no body":      {func(c *config.Ingest) { c.MaxBodyBytes = 0 }, 100, "a body of up to 0 bytes: not 1 to 1073741824"},
		"endless body": {func(c *config.Ingest) { c.MaxBodyBytes = 1<<30 + 1 }, 100, "a body of up to 1073741825 bytes"},
		"no queue":     {func(*config.Ingest) {}, 0, "a queue of 0 events takes none"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := New(cfg, c.queueSize, &recorder{}, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, c.problem)
		})
	}
	_, err := New(good, 100, &recorder{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
}

func TestCloseWaitsForTheRequestUnderWay(t *testing.T) {
	router := &recorder{entered: make(chan struct{}), release: make(chan struct{})}
	s := start(t, router)
	answered, closed := make(chan answer, 1), make(chan error, 1)
	go func() { answered <- s.post(t, "application/json", event("e-1")) }()
	<-router.entered
	go func() { closed <- s.Close(context.Background()) }()
	require.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	}, patience, time.Millisecond, "the door stays open")
	require.Empty(t, closed)

	close(router.release)
	require.Equal(t, http.StatusAccepted, (<-answered).status)
	require.NoError(t, <-closed)
	require.Equal(t, [][]string{{sent("e-1")}}, router.calls())
}
