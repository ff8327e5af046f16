package service

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

// receiver counts what it has taken; hung, it never answers.
type receiver struct {
	*httptest.Server
	taken  atomic.Int32
	answer func() // lets it answer, where it is hung
}

func newReceiver(t *testing.T, hung bool) *receiver {
	t.Helper()
	r := &receiver{}
	ended := make(chan struct{})
	r.answer = sync.OnceFunc(func() { close(ended) })
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		if hung {
			<-ended
		}
		r.taken.Add(1)
	}))
	t.Cleanup(func() {
		r.answer()
		r.Close()
	})
	return r
}

// running is a service with an ingest, an embedded broker and an admin side, and queues of 100 events.
func running(t *testing.T, url string, shutdownTimeout time.Duration) (*Service, *logBuffer) {
	t.Helper()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.ShutdownTimeout = shutdownTimeout
	cfg.Webhook.QueueSize = config.MinQueueSize
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: url}}
	cfg.Sources.Ingest = &config.Ingest{Listen: "127.0.0.1:0", MaxBodyBytes: config.DefaultMaxBodyBytes}
	cfg.Sources.MQTTBroker = &config.MQTTBroker{Listen: "127.0.0.1:0"}
	cfg.Admin = &config.Admin{Listen: "127.0.0.1:0"}
	log := &logBuffer{}
	s, err := Start(cfg, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return s, log
}

func (s *Service) post(t *testing.T, events int) {
	t.Helper()
	body := strings.Repeat(`{"event_type":"message.published","data":{"client_id":"c","topic":"t"}}`+"\n", events)
	response, err := http.Post("http://"+s.Ingest.Addr().String()+"/v1/events", "application/x-ndjson", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

// halfSent leaves a request at an address that is being read, and never comes to its end.
func halfSent(t *testing.T, address net.Addr) {
	t.Helper()
	connection, err := net.Dial("tcp", address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	_, err = fmt.Fprintf(connection, "POST /v1/events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"+
		"Content-Length: 100\r\n\r\n", address)
	require.NoError(t, err)
	response, err := bufio.NewReader(connection).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, response, "100 Continue")
}

func TestStopTakesTheShutdownTimeoutInAll(t *testing.T) {
	const timeout = 2 * time.Second
	s, log := running(t, newReceiver(t, true).URL, timeout)
	s.post(t, 10)
	halfSent(t, s.Ingest.Addr())

	began := time.Now()
	err := s.Stop(t.Context())

	require.Less(t, time.Since(began), timeout+timeout/10)
	var lost *router.LostError
	require.ErrorAs(t, err, &lost)
	require.EqualValues(t, 10, lost.Events)
	require.Contains(t, log.String(), "a source did not close as it should: the drain begins without it")
}

func TestServiceIsReadyUntilItsDrainBegins(t *testing.T) {
	r := newReceiver(t, true)
	s, _ := running(t, r.URL, 10*time.Second)
	ready := func() int {
		response, err := http.Get("http://" + s.Admin.Addr().String() + "/readyz")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, ready())
	s.post(t, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	require.Eventually(t, func() bool { return ready() == http.StatusServiceUnavailable }, 5*time.Second, 5*time.Millisecond)
	r.answer()
	require.NoError(t, <-stopped)
}

func TestRequestThatIsHalfSentDecidesNothing(t *testing.T) {
	r := newReceiver(t, false)
	s, _ := running(t, r.URL, 2*time.Second)
	halfSent(t, s.Ingest.Addr())
	s.post(t, 10)

	require.NoError(t, s.Stop(t.Context()))

	require.EqualValues(t, 10, r.taken.Load())
}

func TestWhatIsHeldIsDeliveredAlthoughASourceNeverCloses(t *testing.T) {
	r := newReceiver(t, true)
	s, log := running(t, r.URL, 4*time.Second)
	released := make(chan struct{})
	defer close(released)
	s.sources = append([]source{{"stuck", func(context.Context) error { <-released; return nil }}}, s.sources...)
	s.post(t, 100)
	var draining sync.WaitGroup
	defer draining.Wait()
	draining.Go(func() {
		assert.Eventually(t, func() bool { return strings.Contains(log.String(), "the drain begins without it") }, 10*time.Second, 5*time.Millisecond)
		r.answer()
	})

	require.NoError(t, s.Stop(t.Context()))

	require.EqualValues(t, 100, r.taken.Load())
	require.Contains(t, log.String(), "source=stuck")
	require.NotContains(t, log.String(), "source=ingest", "the others close meanwhile")
}

func TestSummaryEndsWithWhatFullQueuesDropped(t *testing.T) {
	r := newReceiver(t, true)
	s, log := running(t, r.URL, 5*time.Second)
	for range 3 {
		s.post(t, 100)
	}
	r.answer()

	require.NoError(t, s.Stop(t.Context()), "it is no loss: nobody was promised them")

	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Contains(t, lines[len(lines)-1], fmt.Sprintf(
		`level=WARN msg="events were evicted from full queues, or refused by them" evicted=%d refused=0`, 300-r.taken.Load()))
}

func TestSummaryDoesNotTellOfFullQueuesWhereNoneWas(t *testing.T) {
	s, log := running(t, newReceiver(t, false).URL, 5*time.Second)
	s.post(t, 10)
	require.NoError(t, s.Stop(t.Context()))
	require.NotContains(t, log.String(), "evicted from")
	require.Contains(t, log.String(), "accepted=10 delivered=10")
}

func TestStopThatIsCalledOffStillAccountsForEverything(t *testing.T) {
	s, log := running(t, newReceiver(t, true).URL, time.Minute)
	s.post(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	began := time.Now()
	err := s.Stop(ctx)

	require.Less(t, time.Since(began), 5*time.Second)
	var lost *router.LostError
	require.ErrorAs(t, err, &lost)
	require.EqualValues(t, 10, lost.Events)
	require.Contains(t, log.String(), `msg="summary of an endpoint" endpoint=a accepted=10`)
}

func TestNothingIsLeftRunningWhereAStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}}
	cfg.Sources.MQTTBroker = &config.MQTTBroker{Listen: "127.0.0.1:0"}
	cfg.Sources.Ingest = &config.Ingest{Listen: taken.Addr().String(), MaxBodyBytes: config.DefaultMaxBodyBytes}
	log := &logBuffer{}

	_, err = Start(cfg, slog.New(slog.NewTextHandler(log, nil)))

	require.ErrorContains(t, err, "open the ingest")
	_, address, found := strings.Cut(log.String(), `msg="MQTT broker is open" address=`)
	require.True(t, found)
	_, err = net.Dial("tcp", strings.TrimSpace(strings.SplitN(address, "\n", 2)[0]))
	require.Error(t, err, "the broker is closed again")
}

func TestEachDoorWhoseAddressIsTakenEndsTheStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	listen := taken.Addr().String()
	for door, configure := range map[string]func(cfg *config.Config){
		"admin":       func(cfg *config.Config) { cfg.Admin = &config.Admin{Listen: listen} },
		"MQTT broker": func(cfg *config.Config) { cfg.Sources.MQTTBroker = &config.MQTTBroker{Listen: listen} },
		"ingest": func(cfg *config.Config) {
			cfg.Sources.Ingest = &config.Ingest{Listen: listen, MaxBodyBytes: config.DefaultMaxBodyBytes}
		},
	} {
		cfg := config.Default()
		cfg.Webhook.Enabled = true
		configure(&cfg)
		require.NoError(t, Check(cfg), "a check opens nothing")
		_, err := Start(cfg, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "address already in use", door)
	}
}

func TestAdminSideShowsTheBroker(t *testing.T) {
	s, _ := running(t, newReceiver(t, false).URL, time.Second)
	defer func() { require.NoError(t, s.Stop(context.Background())) }()
	response, err := http.Get("http://" + s.Admin.Addr().String() + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(metrics), "webhookd_mqtt_broker_bytes{")
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
