package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
)

const demoReport = 10 * time.Second

type demoCommand struct {
	For time.Duration `help:"Stop by itself after this time, as with Ctrl-C."`
}

// Run shows the program at work until a signal comes: an embedded broker, a client that publishes, and a receiver that
// fails now and then and is away for a while. Its end is an orderly one.
func (d *demoCommand) Run(c console) error {
	out := &lineWriter{out: c.out}
	receiver, err := startDemoReceiver(out)
	if err != nil {
		return err
	}
	defer receiver.close()
	service, err := startDemoService(receiver, out)
	if err != nil {
		return err
	}
	introduceDemo(out, service)
	client, err := startDemoClient(service.broker.Addr().String())
	if err != nil {
		return errors.Join(err, service.stop(context.Background()))
	}

	d.watch(c, out, service)

	out.printf("\nStopping: the receiver is well now, and all that waits is delivered first.\n\n")
	receiver.recover()
	err = errors.Join(client.stop(), service.stopUntil(c.signals))
	concludeDemo(out, service)
	return err
}

// watch reports now and then until the demo is over.
func (d *demoCommand) watch(c console, out *lineWriter, service *service) {
	report := time.NewTicker(demoReport)
	defer report.Stop()
	var end <-chan time.Time
	if d.For > 0 {
		end = time.After(d.For)
	}
	for {
		select {
		case <-c.signals:
			return
		case <-end:
			return
		case <-report.C:
			reportDemo(out, service)
		}
	}
}

func reportDemo(out *lineWriter, s *service) {
	for _, e := range s.router.Stats().Endpoints {
		out.printf("── %s: accepted %d = delivered %d + held %d + dropped %d + dead-lettered %d\n", e.Name, e.Accepted,
			e.Of(delivery.Delivered), e.Held(), e.Total(delivery.KindDropped), e.Total(delivery.KindDeadLettered))
	}
}

// startDemoService runs webhookd as a configuration file would have it, on the usual MQTT port if that is free.
func startDemoService(receiver *demoReceiver, out *lineWriter) (*service, error) {
	cfg := demoConfig(receiver.url())
	log := slog.New(slog.NewTextHandler(logWriter{out}, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	service, err := start(cfg, log)
	if errors.Is(err, syscall.EADDRINUSE) {
		cfg.Sources.MQTTBroker.Listen = "127.0.0.1:0"
		service, err = start(cfg, log)
	}
	if err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	return service, nil
}

// logWriter marks the lines of webhookd's own log.
type logWriter struct{ *lineWriter }

func (w logWriter) Write(line []byte) (int, error) {
	w.printf("log     %s", line)
	return len(line), nil
}

func withoutTime(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return attr
}

func demoConfig(url string) config.Config {
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

func introduceDemo(out *lineWriter, s *service) {
	out.printf(`webhookd demo: an MQTT broker, a client that publishes to it, and a receiver of webhooks with two addresses.
"steady" wants nearly all events and is always well. "flaky" wants message.published only: it fails every fourth event once,
and is away from second %d to second %d of every %d seconds. Nothing is lost, and "steady" never waits for "flaky".

  Publish something yourself:    mosquitto_pub -h 127.0.0.1 -p %s -t demo/hello -m "hello webhooks"
  or without an MQTT client:     curl -H 'Content-Type: application/json' http://%s/v1/events \
                                   -d '{"event_type":"message.published","data":{"client_id":"me","topic":"demo/hello"}}'
  Metrics for Prometheus:        http://%s/metrics
  Ctrl-C stops.

`, int(demoAwayFrom.Seconds()), int(demoAwayUntil.Seconds()), int(demoCycle.Seconds()),
		port(s.broker.Addr()), s.ingest.Addr(), s.admin.Addr())
}

func concludeDemo(out *lineWriter, s *service) {
	out.printf("\n")
	for _, e := range s.router.Stats().Endpoints {
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
