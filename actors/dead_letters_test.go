package actors

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func TestDeadLettersThatGetTooOldAreDeletedThoughNoneIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		letters := openLetters(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxAge: 2 * day})
		system := quietSystem()
		pid := system.Root.Spawn(DeadLettersProps(letters))
		synctest.Wait()
		require.True(t, letters.Keep(&store.DeadLetter{Endpoint: "a", Event: newEvent(t, "e"), Time: time.Now()}, false))
		time.Sleep(3*day - time.Nanosecond) // one in which its file grows, two in which that ages
		synctest.Wait()
		requireKept(t, letters, 1)
		time.Sleep(time.Nanosecond + tendInterval)
		synctest.Wait()
		requireKept(t, letters, 0)

		require.NoError(t, system.Root.StopFuture(pid).Wait())
		time.Sleep(5 * time.Second) // lets the actor system's own timers end, and shows that ours has
	})
}

func TestReplayThatEndsIsRecordedByTheDeadLetterActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		letters := openLetters(t, config.DeadLetters{Dir: config.Path(dir)})
		system := quietSystem()
		pid := system.Root.Spawn(DeadLettersProps(letters))
		synctest.Wait()
		require.True(t, letters.Keep(&store.DeadLetter{Endpoint: "a", Event: newEvent(t, "e"), Time: time.Now()}, false))
		_, err := letters.Replay(context.Background(), store.DeadLetterFilter{}, func(_ string, _ *messages.Envelope, ended func(delivery.Fate)) error {
			ended(delivery.Delivered)
			return nil
		})
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, deadLetterLines(t, dir), 2, "the letter and the end of its replay")
		require.NoError(t, system.Root.StopFuture(pid).Wait())
		time.Sleep(5 * time.Second) // lets the actor system's own timers end
	})
}

func deadLetterLines(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, store.DeadLettersFile))
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
