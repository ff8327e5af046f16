package actors

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/store"
)

// tended counts how often letters are tended.
type tended struct {
	*store.MemoryLetters
	times atomic.Int64
}

func (t *tended) Tend() { t.times.Add(1) }

func TestDeadLettersAreTendedThoughNoneIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := &tended{MemoryLetters: store.NewMemoryLetters()}
		system := quietSystem()
		pid := system.Root.Spawn(DeadLettersProps(letters))
		for hours := range int64(3) {
			time.Sleep(tendInterval - time.Nanosecond)
			synctest.Wait()
			require.Equal(t, hours, letters.times.Load())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Equal(t, hours+1, letters.times.Load())
		}
		require.NoError(t, system.Root.StopFuture(pid).Wait())
		time.Sleep(2 * tendInterval) // lets the actor system's own timers end, and shows that ours has
		require.EqualValues(t, 3, letters.times.Load())
	})
}
