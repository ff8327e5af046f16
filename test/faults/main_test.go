// Package faults breaks what surrounds the real program, on loopback: receivers, names, certificates, disks, the process
// itself. Whatever breaks, a healthy endpoint gets everything promptly, memory stays bounded, and every event is
// accounted for.
package faults

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestMain(m *testing.M) {
	os.Exit(webhookd.BuildAndTest(m))
}

// timeout is what most tests give an endpoint that hangs. An event that had to wait for it would be late.
const timeout = 2 * time.Second

// settings are those of a webhook section whose retries a test can wait for.
func settings(timeout time.Duration) string {
	return fmt.Sprintf(`shutdown_timeout: 1s
defaults:
  timeout: %v
  retry: {initial_interval: 100ms, max_interval: 500ms}
  circuit_breaker: {reset_timeout: 1s, rejection_threshold: 0}
`, timeout)
}

// endpoint is an endpoint of a configuration that wants what is published on these topics.
func endpoint(name, url, filters string) string {
	return fmt.Sprintf("- {name: %s, url: '%s', topic_filters: [%s]}\n", name, url, filters)
}

// pour posts count events on a topic, beginning with e<first>, at a steady pace: five in 20 ms.
func pour(p *webhookd.Process, topic string, first, count int) {
	const batch = 5
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for from := first; from < first+count; from += batch {
		p.Post(topic, from, from+batch-1)
		<-pace.C
	}
}
