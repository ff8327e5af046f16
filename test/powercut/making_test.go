//go:build linux

package powercut

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/store/bolt"
)

// TestPowerCutAtEachStepOfMakingAStoreLeavesOneThatOpens, and what gets a receipt right after it was made is kept: the
// folders that it is in are there after a power cut, too.
func TestPowerCutAtEachStepOfMakingAStoreLeavesOneThatOpens(t *testing.T) {
	seed, chance := newChance(t)
	for change, whole := 1, false; !whole; change++ {
		require.Less(t, change, 100)
		m := newMachine(t, seed+uint64(change))
		dir := filepath.Join(m.folder, "var", "lib", "store")
		m.cutAt(change)
		keeper, err := bolt.Open(dir, slog.New(slog.DiscardHandler))
		if whole = err == nil; whole {
			_ = keeper.Close()
		}
		m.cut()
		m.boot()
		l := newTestLedger()
		kept, logger := newLog()
		keeper, err = bolt.Open(dir, logger)
		require.NoError(t, err, "cut at change %d", change)
		r := start(t, keeper, l, kept, logger, chance)
		r.receivers["dead"].fails(1)
		require.True(t, r.send("first", "all", 3, 100))
		m.cut()
		r.stop()
		m.boot()
		_, err = os.Stat(dir)
		require.NotErrorIs(t, err, fs.ErrNotExist, "cut at change %d", change)
		again, _, _ := open(t, dir)
		requireNothingLost(t, l, again, change)
		require.NoError(t, again.Close())
	}
}
