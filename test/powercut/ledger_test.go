//go:build linux

package powercut

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// ledger is what the test knows: who is owed which events, because somebody was told that they are safe, and who got them.
// It outlives every power cut.
type ledger struct {
	mu        sync.Mutex
	receipts  int
	owed      map[string]map[string]struct{} // by endpoint, the ids of events
	delivered map[string]map[string]struct{}
}

func newLedger(endpoints ...string) *ledger {
	l := &ledger{owed: map[string]map[string]struct{}{}, delivered: map[string]map[string]struct{}{}}
	for _, name := range endpoints {
		l.owed[name], l.delivered[name] = map[string]struct{}{}, map[string]struct{}{}
	}
	return l
}

// receipt notes that an event is safe that these endpoints want.
func (l *ledger) receipt(id string, endpoints []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receipts++
	for _, name := range endpoints {
		if _, got := l.delivered[name][id]; !got {
			l.owed[name][id] = struct{}{}
		}
	}
}

func (l *ledger) deliver(endpoint, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.owed[endpoint], id)
	l.delivered[endpoint][id] = struct{}{}
}

// lost lists what is owed and neither held nor a dead letter.
func (l *ledger) lost(t *testing.T, keeper store.Keeper) (lost []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, owed := range l.owed {
		kept := keptOf(t, keeper, name)
		for id := range owed {
			if _, is := kept[id]; !is {
				lost = append(lost, fmt.Sprintf("%s of %s", id, name))
			}
		}
	}
	return lost
}

// owes counts what is owed to an endpoint.
func (l *ledger) owes(endpoint string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.owed[endpoint])
}

func (l *ledger) given() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.receipts
}

// keptOf is the ids of an endpoint's events that are held or dead letters. None of them may be damaged.
func keptOf(t *testing.T, keeper store.Keeper, endpoint string) map[string]struct{} {
	t.Helper()
	kept := map[string]struct{}{}
	held, err := keeper.Held(endpoint, 0, delivery.Volume{Events: 1 << 30, Bytes: 1 << 40})
	require.NoError(t, err)
	require.Empty(t, held.Damaged)
	require.False(t, held.More)
	for _, stored := range held.Events {
		kept[stored.Event.ID] = struct{}{}
	}
	query := store.DeadLetterQuery{DeadLetterFilter: store.DeadLetterFilter{Endpoint: endpoint}, Limit: 1 << 30}
	page, err := keeper.Letters(context.Background(), query)
	require.NoError(t, err)
	require.Zero(t, page.Skipped)
	for _, letter := range page.Letters {
		kept[letter.EventID] = struct{}{}
	}
	return kept
}

// got counts what an endpoint got.
func (l *ledger) got(endpoint string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.delivered[endpoint])
}
