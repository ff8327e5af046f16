// Package demo shows webhookd at work on one machine.
package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
)

const (
	reportInterval = 10 * time.Second
	killAfter      = (awayFrom + awayUntil) / 2 // while the flaky address is away, and events are held for it
	drainTime      = 10 * time.Second
)

// demo is what the demo is made of.
type demo struct {
	out       *lineWriter
	receiver  *receiver
	program   *program
	publisher *publisher
	addresses addresses
}

// addresses are where webhookd listens, over all its lives.
type addresses struct{ mqtt, ingest, admin string }

// Run shows the program at work until a signal comes, or for so long where limit is not 0: an embedded broker, a client
// that publishes, and a receiver that fails now and then and is away for a while. Meanwhile webhookd, which is a process of
// its own, is killed once. Its end is an orderly one, which a second signal cuts short.
func Run(to io.Writer, signals <-chan os.Signal, limit time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "webhookd-demo-")
	if err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{out: &lineWriter{out: to}}
	if d.receiver, err = startReceiver(d.out); err != nil {
		return err
	}
	defer d.receiver.close()
	if d.addresses, err = freeAddresses(); err != nil {
		return err
	}
	if d.program, err = newProgram(dir, d.configuration(dir), d.out); err != nil {
		return err
	}
	if err := d.program.start(); err != nil {
		d.program.kill()
		return err
	}
	d.introduce()
	d.publisher = startPublisher(d.addresses.mqtt)
	return errors.Join(d.watch(signals, limit), d.conclude(signals))
}

// watch reports now and then, and kills webhookd once, until the demo is over.
func (d *demo) watch(signals <-chan os.Signal, limit time.Duration) error {
	reportTime := time.NewTicker(reportInterval)
	defer reportTime.Stop()
	kill := time.After(killAfter)
	var end <-chan time.Time
	if limit > 0 {
		end = time.After(limit)
	}
	for {
		select {
		case <-signals:
			return nil
		case <-end:
			return nil
		case <-reportTime.C:
			d.report()
		case <-kill:
			if err := d.killAndStart(); err != nil {
				return err
			}
		}
	}
}

func (d *demo) killAndStart() error {
	d.report()
	d.out.printf("\n── kill -9: webhookd is gone, with all that it had in memory. It is started again.\n\n")
	d.program.kill()
	if err := d.program.start(); err != nil {
		return err
	}
	d.out.printf("\n── webhookd is back, and has what it held.\n")
	d.report()
	return nil
}

func (d *demo) report() {
	accounts, err := readAccounts(d.addresses.admin)
	if err != nil {
		d.out.printf("── %v\n", err)
		return
	}
	for _, name := range []string{"steady", "flaky"} {
		a := accounts[name]
		d.out.printf("── %s: accepted %d = delivered %d + held %d + dropped %d + dead-lettered %d\n",
			name, a.accepted, a.delivered, a.held, a.dropped, a.deadLettered)
	}
}

// conclude lets all that was acknowledged arrive, and counts it where it arrived.
func (d *demo) conclude(signals <-chan os.Signal) error {
	d.out.printf("\nStopping: the receiver is well now, and all that waits is delivered first.\n\n")
	d.receiver.recover()
	acknowledged := d.publisher.stop()
	d.awaitArrivals(acknowledged, signals)
	err := d.program.stop()
	d.out.printf("\nThe client published %d messages that the broker acknowledged; webhookd was killed %s between.\n",
		len(acknowledged), d.program.kills())
	for _, name := range []string{"steady", "flaky"} {
		missing, again := d.receiver.count(name, acknowledged)
		d.out.printf("%s: %d of them delivered, %d not delivered; %d came twice\n", name, len(acknowledged)-missing, missing, again)
	}
	return err
}

func (d *demo) awaitArrivals(acknowledged []string, signals <-chan os.Signal) {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(drainTime); ; {
		steady, _ := d.receiver.count("steady", acknowledged)
		flaky, _ := d.receiver.count("flaky", acknowledged)
		if steady+flaky == 0 {
			return
		}
		select {
		case <-signals:
			return
		case <-deadline:
			return
		case <-poll.C:
		}
	}
}

// freeAddresses takes the usual MQTT port if that is free.
func freeAddresses() (a addresses, err error) {
	a.mqtt = config.DefaultMQTTListen
	if isTaken(a.mqtt) {
		a.mqtt, err = freeAddress()
	}
	var ingestErr, adminErr error
	a.ingest, ingestErr = freeAddress()
	a.admin, adminErr = freeAddress()
	return a, errors.Join(err, ingestErr, adminErr)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_ = listener.Close() // nothing came
	return listener.Addr().String(), nil
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

func (d *demo) configuration(dir string) string {
	return fmt.Sprintf(`broker_id: demo
webhook:
  enabled: true
  include_payload: true
  shutdown_timeout: 10s
  endpoints:
    - name: steady
      url: %[1]s/steady
      events: ["client.*", "subscription.*", "auth.*", "message.published"]
    - name: flaky
      url: %[1]s/flaky
      events: ["message.published"]
      retry: {max_attempts: 5, initial_interval: 500ms, max_interval: 2s}
      circuit_breaker: {failure_threshold: 3, reset_timeout: 3s}
sources:
  mqtt_broker: {listen: %[2]q}
  ingest: {listen: %[3]q}
admin: {listen: %[4]q}
store: {dir: %[5]q}
log: {format: text}
`, d.receiver.url(), d.addresses.mqtt, d.addresses.ingest, d.addresses.admin, filepath.Join(dir, "kept"))
}

func (d *demo) introduce() {
	d.out.printf(`webhookd demo: an MQTT broker, a client that publishes to it, and a receiver of webhooks with two addresses.
"steady" wants nearly all events and is always well. "flaky" wants message.published only: it fails every fourth event once,
and is away from second %d to second %d of every %d seconds. In second %d webhookd is killed, and started again. Nothing is lost,
and "steady" never waits for "flaky".

  Publish something yourself:    mosquitto_pub -h 127.0.0.1 -p %s -t demo/hello -m "hello webhooks"
  or without an MQTT client:     curl -H 'Content-Type: application/json' http://%s/v1/events \
                                   -d '{"event_type":"message.published","data":{"client_id":"me","topic":"demo/hello"}}'
  Metrics for Prometheus:        http://%s/metrics
  Ctrl-C stops.

`, int(awayFrom.Seconds()), int(awayUntil.Seconds()), int(cycle.Seconds()), int(killAfter.Seconds()),
		port(d.addresses.mqtt), d.addresses.ingest, d.addresses.admin)
}

// port is the port of an address.
func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
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
