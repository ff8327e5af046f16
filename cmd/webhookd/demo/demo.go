// Package demo shows webhookd at work on one machine.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
)

const reportInterval = 10 * time.Second

// Run shows the program at work until a signal comes, or for so long where limit is not 0: an embedded broker, a client
// that publishes, and a receiver that fails now and then and is away for a while. Its end is an orderly one, which a
// second signal cuts short.
func Run(to io.Writer, signals <-chan os.Signal, limit time.Duration) error {
	out := &lineWriter{out: to}
	receiver, err := startReceiver(out)
	if err != nil {
		return err
	}
	defer receiver.close()
	webhookd, err := startService(receiver, out)
	if err != nil {
		return err
	}
	introduce(out, webhookd)
	publisher, err := startPublisher(webhookd.Broker.Addr().String())
	if err != nil {
		return errors.Join(err, webhookd.Stop(context.Background()))
	}

	watch(out, webhookd, signals, limit)

	out.printf("\nStopping: the receiver is well now, and all that waits is delivered first.\n\n")
	receiver.recover()
	err = errors.Join(publisher.stop(), webhookd.StopUntil(signals))
	conclude(out, webhookd)
	return err
}

// watch reports now and then until the demo is over.
func watch(out *lineWriter, webhookd *service.Service, signals <-chan os.Signal, limit time.Duration) {
	reportTime := time.NewTicker(reportInterval)
	defer reportTime.Stop()
	var end <-chan time.Time
	if limit > 0 {
		end = time.After(limit)
	}
	for {
		select {
		case <-signals:
			return
		case <-end:
			return
		case <-reportTime.C:
			report(out, webhookd)
		}
	}
}

func report(out *lineWriter, s *service.Service) {
	for _, e := range s.Router.Stats().Endpoints {
		out.printf("── %s: accepted %d = delivered %d + held %d + dropped %d + dead-lettered %d\n", e.Name, e.Accepted,
			e.Of(delivery.Delivered), e.Held(), e.Total(delivery.KindDropped), e.Total(delivery.KindDeadLettered))
	}
}

// startService runs webhookd as a configuration file would have it, on the usual MQTT port if that is free.
func startService(receiver *receiver, out *lineWriter) (*service.Service, error) {
	cfg := configuration(receiver.url())
	if isTaken(cfg.Sources.MQTTBroker.Listen) {
		cfg.Sources.MQTTBroker.Listen = "127.0.0.1:0"
	}
	log := slog.New(slog.NewTextHandler(logWriter{out}, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	webhookd, err := service.Start(cfg, log)
	if err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	return webhookd, nil
}

// isTaken tells whether somebody listens on the address already, as a broker of one's own does.
func isTaken(address string) bool {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return true
	}
	_ = listener.Close() // nothing came
	return false
}

// logWriter marks the lines of webhookd's own log.
type logWriter struct{ *lineWriter }

func (w logWriter) Write(line []byte) (int, error) {
	w.printf("log     %s", line)
	return len(line), nil
}

func withoutTime(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

func configuration(url string) config.Config {
	cfg := config.Default()
	cfg.BrokerID = "demo"
	cfg.Webhook.Enabled = true
	cfg.Webhook.IncludePayload = true
	cfg.Webhook.ShutdownTimeout = 10 * time.Second
	cfg.Webhook.Endpoints = []config.Endpoint{
		{Name: "steady", URL: url + "/steady", Events: []string{"client.*", "subscription.*", "auth.*", "message.published"}},
		{
			Name:           "flaky",
			URL:            url + "/flaky",
			Events:         []string{"message.published"},
			Retry:          config.Retry{MaxAttempts: 5, InitialInterval: 500 * time.Millisecond, MaxInterval: 2 * time.Second},
			CircuitBreaker: config.CircuitBreaker{FailureThreshold: 3, ResetTimeout: 3 * time.Second},
		},
	}
	cfg.Sources.MQTTBroker = &config.MQTTBroker{Listen: config.DefaultMQTTListen}
	cfg.Sources.Ingest = &config.Ingest{Listen: "127.0.0.1:0", MaxBodyBytes: config.DefaultMaxBodyBytes}
	cfg.Admin = &config.Admin{Listen: "127.0.0.1:0"}
	return cfg
}

func introduce(out *lineWriter, s *service.Service) {
	out.printf(`webhookd demo: an MQTT broker, a client that publishes to it, and a receiver of webhooks with two addresses.
"steady" wants nearly all events and is always well. "flaky" wants message.published only: it fails every fourth event once,
and is away from second %d to second %d of every %d seconds. Nothing is lost, and "steady" never waits for "flaky".

  Publish something yourself:    mosquitto_pub -h 127.0.0.1 -p %s -t demo/hello -m "hello webhooks"
  or without an MQTT client:     curl -H 'Content-Type: application/json' http://%s/v1/events \
                                   -d '{"event_type":"message.published","data":{"client_id":"me","topic":"demo/hello"}}'
  Metrics for Prometheus:        http://%s/metrics
  Ctrl-C stops.

`, int(awayFrom.Seconds()), int(awayUntil.Seconds()), int(cycle.Seconds()),
		port(s.Broker.Addr()), s.Ingest.Addr(), s.Admin.Addr())
}

func conclude(out *lineWriter, s *service.Service) {
	out.printf("\n")
	for _, e := range s.Router.Stats().Endpoints {
		out.printf("%s: %d events accepted, %d delivered, %d not delivered\n", e.Name, e.Accepted, e.Of(delivery.Delivered),
			e.Accepted-e.Of(delivery.Delivered))
	}
}

// port is the port of a listener's address.
func port(address net.Addr) string {
	_, port, _ := net.SplitHostPort(address.String())
	return port
}

// lineWriter lets several goroutines write whole lines.
type lineWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *lineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(line)
}

func (w *lineWriter) printf(format string, args ...any) {
	fmt.Fprintf(w, format, args...)
}
