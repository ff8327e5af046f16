package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	version  = "1.2.3"
	token    = "s3cr3t-t0ken"
)

// rig is a router and its admin side, both of which run until the test ends, and a client.
type rig struct {
	*Server
	router *router.Handle
	system *actor.ActorSystem
	client *http.Client
}

func newRig(t *testing.T, endpoints ...config.Endpoint) rig {
	t.Helper()
	cfg := config.Default()
	cfg.Webhook.Endpoints = endpoints
	return newRigOf(t, cfg)
}

func newRigOf(t *testing.T, cfg config.Config, options ...router.Option) rig {
	t.Helper()
	r := rig{system: actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return discardLog }),
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)}
	cfg.Webhook.Enabled = true
	var err error
	r.router, err = router.Spawn(r.system, cfg, append(options, router.WithLogger(discardLog))...)
	require.NoError(t, err)
	t.Cleanup(r.stopRouter)
	r.Server = newServer(t, r.router)
	require.NoError(t, r.Start())
	transport := &http.Transport{}
	r.client = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, r.Close(ctx))
	})
	return r
}

func newServer(t *testing.T, handle *router.Handle) *Server {
	t.Helper()
	server, err := New(config.Admin{Listen: "127.0.0.1:0", Token: token}, handle, version, discardLog)
	require.NoError(t, err)
	require.NoError(t, server.ShowBroker(fullBroker{}))
	require.Nil(t, server.Addr())
	return server
}

// stopRouter gives up at once what the router holds.
func (r rig) stopRouter() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.router.Close(ctx)
}

// publish hands over so many events with this topic.
func (r rig) publish(t *testing.T, topic string, events int) {
	t.Helper()
	for range events {
		require.NoError(t, r.router.Notify(t.Context(), &messages.MessagePublished{ClientID: "c", Topic: topic}))
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (r rig) ask(t *testing.T, method, path string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr().String()+path, nil)
	require.NoError(t, err)
	response, err := r.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// newReceiver answers each request with the status that is its path.
func newReceiver(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// newClosedPort is the URL of an address where nothing listens.
func newClosedPort(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return "http://" + listener.Addr().String()
}

var discardLog = slog.New(slog.DiscardHandler)
