//go:build linux

package powercut

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

// cuts is how often the power is cut under load; POWERCUTS sets it.
func cuts(t *testing.T) int {
	t.Helper()
	text := os.Getenv("POWERCUTS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// newChance prints the seed of what is left to chance; POWERCUT_SEED sets it.
func newChance(t *testing.T) (seed uint64, chance *rand.Rand) {
	t.Helper()
	seed = rand.Uint64()
	if text := os.Getenv("POWERCUT_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("POWERCUT_SEED=%d", seed)
	return seed, rand.New(rand.NewPCG(seed, 1))
}

func newTestLedger() *ledger {
	var names []string
	for _, endpoint := range endpoints() {
		names = append(names, endpoint.Name)
	}
	return newLedger(names...)
}

// TestPowerCutsUnderLoadLoseNothingThatGotAReceipt cuts the power amid commits, at a stop, and while the store is opened
// after a cut.
func TestPowerCutsUnderLoadLoseNothingThatGotAReceipt(t *testing.T) {
	seed, chance := newChance(t)
	m := newMachine(t, seed)
	l := newTestLedger()
	for n := range cuts(t) {
		if chance.IntN(4) == 0 {
			m.cutAt(1 + chance.IntN(6))
			if keeper, err := bolt.Open(m.store(), slog.New(slog.DiscardHandler)); err == nil {
				_ = keeper.Close()
			}
			m.cut()
			m.boot()
		}
		keeper, kept, logger := open(t, m.store())
		requireNothingLost(t, l, keeper, n)
		r := start(t, keeper, l, kept, logger, chance)
		r.produce(fmt.Sprint("cut-", n), 4)
		r.replay()
		if chance.IntN(4) == 0 {
			time.Sleep(time.Duration(chance.IntN(200)) * time.Millisecond)
			m.cutAt(1 + chance.IntN(30))
			r.stop()
		} else {
			m.cutAt(1 + chance.IntN(400))
			m.isCut(2 * time.Second)
		}
		m.cut()
		r.stop()
		m.boot()
		requireSound(t, m.store())
	}
	keeper, _, _ := open(t, m.store())
	requireNothingLost(t, l, keeper, -1)
	require.NoError(t, keeper.Close())
	t.Logf("%d receipts", l.given())
	require.Greater(t, l.given(), cuts(t))
}

func requireNothingLost(t *testing.T, l *ledger, keeper store.Keeper, round int) {
	t.Helper()
	if lost := l.lost(t, keeper); len(lost) > 0 {
		t.Fatalf("before round %d: %d events that got a receipt are lost, such as %s", round, len(lost), lost[0])
	}
}

// requireSound looks at a file that no program uses.
func requireSound(t *testing.T, dir string) {
	t.Helper()
	_, err := bolt.Verify(dir, func(problem string) { t.Error(problem) })
	require.NoError(t, err)
}

// TestKeeperWhoseReceiptComesBeforeItsSyncIsFound tests this test.
func TestKeeperWhoseReceiptComesBeforeItsSyncIsFound(t *testing.T) {
	seed, chance := newChance(t)
	m := newMachine(t, seed)
	l := newTestLedger()
	for n := range 40 {
		keeper, kept, logger := open(t, m.store())
		if lost := l.lost(t, keeper); len(lost) > 0 {
			t.Logf("found after %d cuts", n)
			require.NoError(t, keeper.Close())
			return
		}
		r := start(t, &hasty{Keeper: keeper}, l, kept, logger, chance)
		r.produce(fmt.Sprint("cut-", n), 4)
		m.cutAt(1 + chance.IntN(400))
		m.isCut(2 * time.Second)
		m.cut()
		r.stop()
		m.boot()
	}
	t.Fatal("nothing was lost")
}

// hasty is a Keeper that commits a group when it has said that it did.
type hasty struct {
	store.Keeper
	late *store.Group
}

func (h *hasty) Commit(group *store.Group) (trimmed store.Trimmed, err error) {
	if h.late != nil {
		trimmed, err = h.Keeper.Commit(h.late)
	}
	h.late = group
	return trimmed, err
}
