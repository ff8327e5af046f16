package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// kills is how often the program is killed; the environment's KILLS says otherwise.
func kills(t *testing.T) int {
	text := os.Getenv("KILLS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// moody is a receiver that is away by chance, until it is well for good. It notes the order of first arrivals.
type moody struct {
	*httptest.Server
	mu       sync.Mutex
	well     bool
	first    []string
	received map[string]int
}

func newMoody(t *testing.T) *moody {
	t.Helper()
	r := &moody{received: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *moody) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.well && rand.IntN(10) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	subject := request.Header.Get("Ce-Subject") // the topic
	if r.received[subject] == 0 {
		r.first = append(r.first, subject)
	}
	r.received[subject]++
}

func (r *moody) recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.well = true
}

// lacks are those of the topics that did not arrive.
func (r *moody) lacks(topics []string) (missing []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, topic := range topics {
		if r.received[topic] == 0 {
			missing = append(missing, topic)
		}
	}
	return missing
}

// requireOrder checks that what one producer published in order came in order, but for repetitions.
func (r *moody) requireOrder(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	latest := map[string]int{}
	for _, topic := range r.first {
		producer, text, _ := strings.Cut(topic, "/")
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		require.Greater(t, n, latest[producer], "%s comes out of order", topic)
		latest[producer] = n
	}
}

func (r *moody) repeated() (repeated int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.received {
		repeated += n - 1
	}
	return repeated
}

// receipts are what senders were told is taken.
type receipts struct {
	mu     sync.Mutex
	topics []string
}

func (r *receipts) add(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics = append(r.topics, topic)
}

func (r *receipts) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.topics...)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

const killConfig = `webhook:
  enabled: true
  defaults:
    format: cloudevents-binary
    retry: {initial_interval: 20ms, max_interval: 200ms}
    circuit_breaker: {reset_timeout: 100ms}
  endpoints:
    - {name: ordered, url: '%s', workers: 1, events: [message.published]}
    - {name: wide, url: '%s', events: [message.published]}
store: {dir: '%s'}
sources:
%s
log: {format: json}
`

// TestKillNineLosesNothingThatTheIngestTook posts from several producers while the program is killed again and again.
func TestKillNineLosesNothingThatTheIngestTook(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	k := newKilled(t, "  ingest: {listen: '"+address+"'}")
	k.round(func(producer int, stop <-chan struct{}) {
		for n := 1; !isClosed(stop); {
			topic := fmt.Sprintf("p%d/%d", producer, n)
			if !postOne(address, topic) {
				time.Sleep(10 * time.Millisecond) // and once more: nobody knows whether it was taken
				continue
			}
			k.given.add(topic)
			n++
		}
	})
	k.ordered.requireOrder(t)
}

func isClosed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// postOne is false where the event got no receipt.
func postOne(address, topic string) bool {
	body := fmt.Sprintf(`{"event_type":"message.published","data":{"client_id":"c","topic":%q}}`, topic)
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Post("http://"+address+"/v1/events", "application/json", strings.NewReader(body))
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusAccepted
}

// TestKillNineLosesNothingThatTheBrokerAcknowledged publishes by clients that repeat what got no acknowledgement.
func TestKillNineLosesNothingThatTheBrokerAcknowledged(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	k := newKilled(t, "  mqtt_broker: {listen: '"+address+"'}")
	k.round(func(producer int, stop <-chan struct{}) {
		qos := byte(1 + producer%2)
		var client *paho.Client
		for n := 1; !isClosed(stop); {
			topic := fmt.Sprintf("p%d/%d", producer, n)
			if client == nil {
				client = connect(address, fmt.Sprint("producer-", producer))
			}
			if client == nil || !publish(client, topic, qos) {
				client = nil
				time.Sleep(10 * time.Millisecond) // and once more: nobody knows whether it was taken
				continue
			}
			k.given.add(topic)
			n++
		}
		if client != nil {
			_ = client.Disconnect(&paho.Disconnect{})
		}
	})
	k.ordered.requireOrder(t)
}

// connect is nil while the broker is not there.
func connect(address, id string) *paho.Client {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	client := paho.NewClient(paho.ClientConfig{Conn: connection})
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 30, CleanStart: true}); err != nil {
		_ = connection.Close()
		return nil
	}
	return client
}

// publish is false where the message got no acknowledgement.
func publish(client *paho.Client, topic string, qos byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	go func() { // Publish itself does not notice that the connection has broken
		select {
		case <-client.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := client.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: []byte("x")})
	return err == nil
}

// killed is a program that is killed again and again.
type killed struct {
	t             *testing.T
	ordered, wide *moody
	config        string
	given         receipts
}

func newKilled(t *testing.T, sources string) *killed {
	t.Helper()
	k := &killed{t: t, ordered: newMoody(t), wide: newMoody(t)}
	k.config = fmt.Sprintf(killConfig, k.ordered.URL, k.wide.URL, t.TempDir(), sources)
	return k
}

// round runs producers over all kills, and then checks that each event with a receipt arrives.
func (k *killed) round(produce func(producer int, stop <-chan struct{})) {
	const producers = 4
	t := k.t
	stop := make(chan struct{})
	var producing sync.WaitGroup
	for producer := range producers {
		producing.Go(func() { produce(producer, stop) })
	}
	for range kills(t) {
		p := webhookd.Run(t, k.config)
		time.Sleep(time.Duration(50+rand.IntN(500)) * time.Millisecond)
		p.Signal(syscall.SIGKILL)
		require.Equal(t, -1, p.Exit())
	}
	last := webhookd.Run(t, k.config)
	time.Sleep(200 * time.Millisecond)
	close(stop)
	producing.Wait()
	k.ordered.recover()
	k.wide.recover()
	given := k.given.all()
	require.Greater(t, len(given), 10*kills(t))
	for name, receiver := range map[string]*moody{"ordered": k.ordered, "wide": k.wide} {
		webhookd.Eventually(t, func() bool { return len(receiver.lacks(given)) == 0 }, name+" gets each event that was acknowledged")
	}
	last.TerminateAndExpect(0)
	t.Logf("%d events with a receipt; %d and %d requests beside the first of an event", len(given), k.ordered.repeated(), k.wide.repeated())
}
