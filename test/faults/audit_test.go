package faults

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// maxMemory is how many bytes of the program may be resident.
const maxMemory = 200 << 20

// audit scrapes the program's metrics until end is called, at the latest when the test ends. It checks what holds at any
// moment: every queue accounts for all its events, and memory is bounded.
func audit(t *testing.T, p *webhookd.Process) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var auditing sync.WaitGroup
	auditing.Go(func() {
		memory, audits := 0.0, 0
		for ended := false; !ended && !t.Failed(); audits++ {
			ended = ctx.Err() != nil // one more audit, of the end
			began := time.Now()
			memory = max(memory, auditOnce(t, p))
			rest(ctx, began)
		}
		t.Logf("%d audits, at most %.0f MiB", audits, memory/(1<<20))
	})
	end = func() {
		cancel()
		auditing.Wait()
	}
	t.Cleanup(end)
	return end
}

func auditOnce(t *testing.T, p *webhookd.Process) (memory float64) {
	samples, err := p.Metrics()
	if !assert.NoError(t, err) {
		return 0
	}
	for queue, account := range accounts(samples) {
		assert.Zero(t, account.missing(), "events of queue %q that are not accounted for", queue)
	}
	memory = samples["process_resident_memory_bytes"]
	assert.Positive(t, memory)
	assert.Less(t, memory, float64(maxMemory))
	return memory
}

// rest leaves most of the time to what is audited: a scrape of a thousand endpoints is work.
func rest(ctx context.Context, began time.Time) {
	select {
	case <-time.After(max(100*time.Millisecond, 3*time.Since(began))):
	case <-ctx.Done():
	}
}
