package persistence

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(s string) func() []byte { return func() []byte { return []byte(s) } }

// openKeeper opens a folder, and says what was in it.
func openKeeper(t *testing.T, dir string) (*Keeper, map[string]*Record) {
	k, stored, err := Open(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		select {
		case <-k.closing:
		default:
			require.NoError(t, k.Close())
		}
	})
	found := map[string]*Record{}
	last := uint64(0)
	for _, s := range stored {
		require.Greater(t, s.Record.Number(), last)
		last = s.Record.Number()
		found[string(s.Value)] = s.Record
	}
	return k, found
}

func keys(found map[string]*Record) []string {
	texts := []string{}
	for text := range found {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

// killed is what a process that is started now, because kill -9 ended this one, would find.
func killed(t *testing.T, k *Keeper) []string {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, k, dir)
	after, found := openKeeper(t, dir)
	require.NoError(t, after.Close())
	return keys(found)
}

// copyFile copies what is committed, while commits go on.
func copyFile(t *testing.T, k *Keeper, dir string) {
	t.Helper()
	require.NoError(t, k.file.db.View(func(tx *bolt.Tx) error { return tx.CopyFile(filepath.Join(dir, FileName), 0o600) }))
}

func TestWhatIsKeptComesBackInItsOrder(t *testing.T) {
	dir := t.TempDir()
	k, found := openKeeper(t, dir)
	require.Empty(t, found)
	first := k.Keep(nil, text("first"))
	second := k.Keep(nil, text("second"))
	k.Keep(nil, text("third"))
	require.NoError(t, k.Sync())
	require.True(t, k.Replace(first, text("first again")))
	require.True(t, k.Drop(second))
	require.NoError(t, k.Close())

	k, found = openKeeper(t, dir)
	require.Equal(t, []string{"first again", "third"}, keys(found))
	require.Equal(t, first.Number(), found["first again"].Number())
	require.Greater(t, k.Keep(nil, text("fourth")).Number(), found["third"].Number())
	k.Drop(found["third"])
	require.NoError(t, k.Sync())
	require.Equal(t, []string{"first again", "fourth"}, killed(t, k))
}

func TestWhatIsSyncedOutlivesAKill(t *testing.T) {
	k, _ := openKeeper(t, t.TempDir())
	k.Keep(nil, text("kept"))
	synced := make(chan error, 1)
	k.Synced(func(err error) { synced <- err })
	require.NoError(t, <-synced)
	require.Equal(t, []string{"kept"}, killed(t, k))
}

func TestWhatIsDroppedBeforeItsCommitIsNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k, _ := openKeeper(t, dir)
		read := func() []byte {
			content, err := os.ReadFile(filepath.Join(dir, FileName))
			require.NoError(t, err)
			return content
		}
		before, began := read(), time.Now()
		for i := range 1000 {
			record := k.Keep(nil, text(fmt.Sprint(i)))
			require.False(t, k.Replace(record, text("again")))
			require.False(t, k.Drop(record))
		}
		synced := make(chan error, 1)
		k.Synced(func(err error) { synced <- err })
		require.NoError(t, <-synced)
		require.Zero(t, time.Since(began), "nobody waits for what need not be written")
		require.Equal(t, before, read())
	})
}

func TestWaitingEndsWithWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := openKeeper(t, t.TempDir())
		record := k.Keep(nil, text("x"))
		began, synced := time.Now(), make(chan error, 1)
		k.Synced(func(err error) { synced <- err })
		k.Drop(record)
		require.NoError(t, <-synced)
		require.Zero(t, time.Since(began))
	})
}

func TestAGroupGathersForTenMillisecondsUnlessSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := openKeeper(t, t.TempDir())
		began, synced := time.Now(), make(chan error, 2)
		k.Keep(nil, text("1"))
		k.Synced(func(err error) { synced <- err })
		time.Sleep(9 * time.Millisecond)
		k.Keep(nil, text("2"))
		k.Synced(func(err error) { synced <- err })
		require.Empty(t, synced)
		require.NoError(t, <-synced)
		require.NoError(t, <-synced)
		require.Equal(t, 10*time.Millisecond, time.Since(began))

		began = time.Now()
		k.Keep(nil, text("3"))
		require.NoError(t, k.Sync())
		require.Zero(t, time.Since(began))
	})
}

func TestABracketIsCommittedWholeOrNotAtAll(t *testing.T) {
	k, _ := openKeeper(t, t.TempDir())
	bracket := k.Begin()
	require.False(t, bracket.Used())
	k.Keep(bracket, text("one"))
	k.Keep(nil, text("beside"))
	require.NoError(t, k.Sync())
	gone := k.Keep(bracket, text("gone"))
	require.Equal(t, []string{"beside"}, killed(t, k))
	require.False(t, k.Drop(gone))
	require.True(t, bracket.Used())
	k.Keep(bracket, text("two"))
	bracket.End()
	require.NoError(t, k.Sync())
	require.Equal(t, []string{"beside", "one", "two"}, killed(t, k))
	k.Keep(bracket, text("late"))
	require.NoError(t, k.Sync())
	require.Equal(t, []string{"beside", "late", "one", "two"}, killed(t, k))
}

// TestNoKillLosesWhatWasSynced kills at random moments among random changes: everything is there as it was when it was
// synced, or as it became after that.
func TestNoKillLosesWhatWasSynced(t *testing.T) {
	k, _ := openKeeper(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 2))
	records, now := map[int]*Record{}, map[int]string{}
	synced := map[int]string{}
	unsure := map[int]bool{} // changed since
	for i := range 3000 {
		id := random.IntN(50)
		is := fmt.Sprintf("%d:%d", id, i)
		switch {
		case records[id] == nil:
			records[id] = k.Keep(nil, text(is))
			now[id] = is
		case random.IntN(3) == 0:
			k.Drop(records[id])
			delete(records, id)
			delete(now, id)
		default:
			k.Replace(records[id], text(is))
			now[id] = is
		}
		unsure[id] = true
		switch random.IntN(60) {
		case 0:
			require.NoError(t, k.Sync())
			synced, unsure = map[int]string{}, map[int]bool{}
			for id, is := range now {
				synced[id] = is
			}
		case 1:
			found := killed(t, k)
			for id, is := range synced {
				if !unsure[id] {
					require.Contains(t, found, is)
				}
			}
			for _, is := range found {
				id := 0
				_, err := fmt.Sscanf(is, "%d:", &id)
				require.NoError(t, err)
				require.True(t, unsure[id] || synced[id] == is, "%s was not there any more", is)
			}
		}
	}
}

// failDisk has nothing be written until the returned function mends it.
func failDisk(t *testing.T, k *Keeper, dir string) (mend func()) {
	require.NoError(t, k.file.db.Close())
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	return func() { require.NoError(t, os.Remove(dir)) }
}

func TestAFailingDiskPromisesNothingAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "store")
		k, _ := openKeeper(t, dir)
		k.Keep(nil, text("before"))
		dropped := k.Keep(nil, text("dropped"))
		require.NoError(t, k.Sync())

		mend := failDisk(t, k, dir)
		k.Keep(nil, text("meanwhile"))
		require.Error(t, k.Sync())
		require.Error(t, k.Sync(), "it is known by now")
		k.Drop(dropped)
		healed := make(chan time.Time, 1)
		k.SyncedAtLast(func() { healed <- time.Now() })
		time.Sleep(10 * time.Second)
		require.Empty(t, healed)
		require.Error(t, k.Sync())

		mend()
		<-healed
		require.NoError(t, k.Sync())
		require.Equal(t, []string{"before", "meanwhile"}, killed(t, k))
		k.Keep(nil, text("after"))
		require.NoError(t, k.Sync())
		require.Equal(t, []string{"after", "before", "meanwhile"}, killed(t, k))
	})
}

func TestCloseTellsThatWhatIsLeftIsLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	k, _ := openKeeper(t, dir)
	failDisk(t, k, dir)
	k.Keep(nil, text("lost"))
	require.Error(t, k.Close())
	require.ErrorIs(t, k.Sync(), ErrClosed)
}

func TestOneProcessUsesAFolder(t *testing.T) {
	dir := t.TempDir()
	openKeeper(t, dir)
	_, _, err := Open(dir, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, errInUse)
}

func TestTheFileIsForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	openKeeper(t, dir)
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}

func TestAFileOfANewerVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	k, _ := openKeeper(t, dir)
	require.NoError(t, k.file.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(aboutBucket).Put(versionKey, []byte{version + 1})
	}))
	require.NoError(t, k.Close())
	before, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	_, _, err = Open(dir, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "version [2]")
	after, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAFileThatIsMostlyFreeIsWrittenAnewWhenItIsOpened(t *testing.T) {
	dir := t.TempDir()
	k, _ := openKeeper(t, dir)
	large := strings.Repeat("x", 1<<20)
	for range 16 {
		k.Drop(k.Keep(nil, text("small and gone")))
		record := k.Keep(nil, text(large))
		require.NoError(t, k.Sync())
		defer k.Drop(record)
	}
	for r := range k.live {
		k.Drop(r)
	}
	k.Keep(nil, text("stays"))
	require.NoError(t, k.Close())
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, FileName))
		require.NoError(t, err)
		return info.Size()
	}
	require.Greater(t, size(), int64(16<<20))
	k, found := openKeeper(t, dir)
	require.Equal(t, []string{"stays"}, keys(found))
	require.Less(t, size(), int64(1<<20))
	k.Keep(nil, text("goes on"))
	require.NoError(t, k.Sync())
	require.Equal(t, []string{"goes on", "stays"}, killed(t, k))
}

func TestWhatAKilledProcessWasMakingIsForgotten(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName+".new"), []byte("half a file"), 0o600))
	k, found := openKeeper(t, dir)
	require.Empty(t, found)
	k.Keep(nil, text("x"))
	require.NoError(t, k.Sync())
	require.NoFileExists(t, filepath.Join(dir, FileName+".new"))
}

// damagedFile is a file of many pages, and what is in it.
func damagedFile(t *testing.T) (content []byte, records map[string]bool) {
	dir := t.TempDir()
	k, _ := openKeeper(t, dir)
	records = map[string]bool{}
	for i := range 600 {
		is := fmt.Sprintf("%d %s", i, strings.Repeat("x", i%300))
		records[is] = true
		k.Keep(nil, text(is))
		if i%50 == 0 {
			require.NoError(t, k.Sync())
		}
	}
	require.NoError(t, k.Close())
	content, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	return content, records
}

// opensInSpite opens a folder whose file has this content, and checks that nothing comes of it that was not kept.
func opensInSpite(t *testing.T, content []byte, records map[string]bool) (found map[string]*Record, aside []string) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), content, 0o600))
	k, found := openKeeper(t, dir)
	for is := range found {
		require.True(t, records[is], "%q was never kept", is)
	}
	aside, err := filepath.Glob(filepath.Join(dir, FileName+".damaged-*"))
	require.NoError(t, err)
	for _, path := range aside {
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, kept))
	}
	k.Keep(nil, text("goes on"))
	require.NoError(t, k.Sync())
	require.Len(t, killed(t, k), len(found)+1)
	require.NoError(t, k.Close())
	return found, aside
}

func TestADamagedFileIsSetAsideAndTheBrokerStarts(t *testing.T) {
	content, records := damagedFile(t)
	found, aside := opensInSpite(t, content, records)
	require.Len(t, found, len(records))
	require.Empty(t, aside)
	for name, damaged := range map[string][]byte{
		"empty":     {},
		"text":      []byte("this is no database\n"),
		"zeros":     make([]byte, len(content)),
		"one page":  content[:4096],
		"beginning": content[:3*4096],
		"half":      content[:len(content)/2],
	} {
		t.Run(name, func(t *testing.T) {
			_, aside := opensInSpite(t, damaged, records)
			require.Len(t, aside, 1)
		})
	}
}

func TestAFlippedByteCostsNoMoreThanItsPage(t *testing.T) {
	content, records := damagedFile(t)
	random := rand.New(rand.NewPCG(3, 4))
	whole, saved := 0, 0
	const rounds = 60
	for range rounds {
		damaged := bytes.Clone(content)
		damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
		found, aside := opensInSpite(t, damaged, records)
		if len(aside) == 0 {
			whole++
			require.Len(t, found, len(records))
		} else if len(found) == len(records)-1 {
			saved++
		}
	}
	require.Greater(t, saved, rounds/10, "a byte of a record costs that record alone")
	require.Greater(t, whole, 0, "a byte of a free page costs nothing")
}

func BenchmarkSync(b *testing.B) {
	k, _, err := Open(b.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k.Keep(nil, text("some bytes"))
		if err := k.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		b.Fatal(err)
	}
}
