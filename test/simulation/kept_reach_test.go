package simulation

import (
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// TestScenariosWithAStoreReachWhatTheyAttack shows that the promises are not kept for want of occasion.
func TestScenariosWithAStoreReachWhatTheyAttack(t *testing.T) {
	reached := map[string]int{}
	for seed := range 200 {
		r := playKept(t, keptScenarios().Example(seed))
		require.Nil(t, r.broken)
		for _, seen := range []map[string]int{r.seen, r.disk.seen} {
			for what, n := range seen {
				reached[what] += n
			}
		}
	}
	t.Log(reached)
	for _, what := range []string{
		"crash", "crash with events behind the window", "crash between a giving up and its commit", "crash between a replay and its commit",
		"crash amid a commit that is applied", "crash amid a commit that is not applied", "commit that is applied and fails", "commit that fails",
		"crash while the disk fails", "stop while the disk fails", "receipt refused", "refused while the disk fails", "reading that fails",
		"spared", "written", "delivered", "delivered again after a crash", "charged before a crash", "replayed",
		"dropped evicted", "dropped refused", "dropped damaged",
		"dead_lettered unknown_outcome", "dead_lettered max_attempts", "dead_lettered max_age", "dead_lettered rejected",
	} {
		require.NotZero(t, reached[what], what)
	}
}

// reachByCrash counts what a crash came upon.
func (r *keptRun) reachByCrash(v *view) {
	r.seen["crash"]++
	if r.disk.fails() {
		r.seen["crash while the disk fails"]++
	}
	records := r.process.store.Endpoints()
	for _, o := range r.oracles {
		e := v.of(o.Name)
		if o.Batch.MaxEvents == 1 && e.overhead() > 2*r.window {
			r.seen["crash with events behind the window"]++
		}
		for found := range e.held {
			if p := o.passages[found]; !p.givenUp.IsZero() && p.givenUp.After(o.lettered(p, p.givenUp)) {
				r.seen["crash between a giving up and its commit"]++
			}
		}
		if records[o.Name].Account.AcceptedReplay > e.record.Account.AcceptedReplay {
			r.seen["crash between a replay and its commit"]++
		}
	}
}

// reachByEnd counts what a process did.
func (r *keptRun) reachByEnd(p *process) {
	stats := p.store.Stats()
	r.seen["spared"] += int(stats.Spared)
	r.seen["written"] += int(stats.Written)
	for _, endpoint := range p.handle.Stats().Endpoints {
		for fate, n := range fatesOf(endpoint.Ledger) {
			r.seen[fate] += int(n)
		}
	}
	for _, receipt := range p.receipts {
		if errors.Is(receipt.err, messages.ErrUnavailable) {
			r.seen["receipt refused"]++
		}
	}
}

// overhead is what the events held would count in a window, the largest of which may exceed it.
func (e *endpointView) overhead() (sum int64) {
	for found := range maps.Keys(e.held) {
		sum += int64(found.size) + 512
	}
	return sum
}
