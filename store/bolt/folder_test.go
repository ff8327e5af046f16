package bolt

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/store"
)

var quiet = slog.New(slog.DiscardHandler)

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestNewFolderIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "store")
	k := openKeeper(t, dir)
	require.Equal(t, os.FileMode(0o700), modeOf(t, dir))
	require.NoError(t, k.Close())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for _, entry := range entries {
		require.Equal(t, os.FileMode(0o600), modeOf(t, filepath.Join(dir, entry.Name())), entry.Name())
	}
}

func TestModeOfAFolderThatIsThereStays(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o750))
	require.NoError(t, openKeeper(t, dir).Close())
	require.Equal(t, os.FileMode(0o750), modeOf(t, dir))
}

func TestOneProcessHasAFolder(t *testing.T) {
	dir := t.TempDir()
	k := openKeeper(t, dir)
	_, err := Open(dir, quiet)
	require.ErrorContains(t, err, "used by another process (process ")
	require.ErrorContains(t, err, dir)
	_, err = ReadInfo(dir)
	require.ErrorContains(t, err, "used by another process")
	_, err = Verify(dir, func(string) {})
	require.ErrorContains(t, err, "used by another process")
	require.ErrorContains(t, Compact(dir), "used by another process")
	require.NoError(t, k.Close())
	require.NoError(t, openKeeper(t, dir).Close())
}

func TestFolderThatIsNoneIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(file, quiet)
	require.ErrorContains(t, err, file+" is not a folder")
	none := filepath.Join(t.TempDir(), "none")
	_, err = ReadInfo(none)
	require.ErrorContains(t, err, none+" holds no store")
	require.NoDirExists(t, none)
}

func TestHalfMadeFileIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, newName), []byte("half"), 0o600))
	k := openKeeper(t, dir)
	require.NoFileExists(t, filepath.Join(dir, newName))
	require.NoError(t, k.Close())
}

func TestFileOfALaterVersionIsLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	k := openKeeper(t, dir)
	fill(t, k, 100)
	require.NoError(t, k.db.Update(func(tx *bbolt.Tx) error { return writeVersion(tx.Bucket(metaBucket), formatVersion+1) }))
	require.NoError(t, k.Close())
	before, err := os.ReadFile(pathOf(dir))
	require.NoError(t, err)
	_, err = Open(dir, quiet)
	require.ErrorContains(t, err, "later version of webhookd")
	require.ErrorContains(t, err, pathOf(dir))
	_, err = ReadInfo(dir)
	require.ErrorContains(t, err, "later version of webhookd")
	_, err = Verify(dir, func(string) {})
	require.ErrorContains(t, err, "later version of webhookd")
	require.ErrorContains(t, Compact(dir), "later version of webhookd")
	after, err := os.ReadFile(pathOf(dir))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestFileThatIsGoneIsMissedByTheNextCommit: a file without a name takes writes that nobody would ever find.
func TestFileThatIsGoneIsMissedByTheNextCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	k := openKeeper(t, dir)
	defer k.Close()
	fill(t, k, 100)
	away := dir + "-away"
	require.NoError(t, os.Rename(dir, away))
	event, h := holdOf(t, "a", 101, 10)
	group := &store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}}
	_, err := k.Commit(group)
	require.ErrorContains(t, err, pathOf(dir))
	for range 2 {
		require.ErrorContains(t, k.Reopen(), pathOf(dir))
		_, err = k.Held("a", 0, everything)
		require.ErrorContains(t, err, pathOf(dir))
		_, err = k.Commit(group)
		require.Error(t, err)
	}
	require.NoError(t, os.Rename(away, dir))
	require.NoError(t, k.Reopen())
	_, err = k.Commit(group)
	require.NoError(t, err)
	require.True(t, contentsOf(t, k)["a"]["event-101"])
}

// smallDisk is a file system with room for so many bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("only root can mount a small file system: %s", strings.TrimSpace(string(output)))
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
	return dir
}

func TestFullDiskLosesNothingAndHealsWhenThereIsRoom(t *testing.T) {
	disk := smallDisk(t, "8m")
	dir := filepath.Join(disk, "store")
	k := openKeeper(t, dir)
	fill(t, k, 300)
	whole := contentsOf(t, k)
	ballast := filepath.Join(disk, "ballast")
	fillDisk(t, ballast)
	var group store.Group
	for n := uint64(10_000); n < 12_000; n++ {
		event, h := holdOf(t, "a", n, 400)
		group.Events, group.Holds = append(group.Events, event), append(group.Holds, h)
	}
	for range 2 {
		_, err := k.Commit(&group)
		require.ErrorContains(t, err, "no space left on device")
		require.ErrorContains(t, err, pathOf(dir))
		require.NoError(t, k.Reopen())
		require.Equal(t, whole, contentsOf(t, k))
	}
	require.ErrorContains(t, k.Compact(), "bytes of room")
	require.NoError(t, os.Remove(ballast))
	_, err := k.Commit(&group)
	require.NoError(t, err)
	require.True(t, contentsOf(t, k)["a"]["event-11999"])
	require.NoError(t, k.Close())

	fillDisk(t, ballast)
	_, err = Open(filepath.Join(disk, "other"), quiet)
	require.ErrorContains(t, err, "no space left on device")
	require.ErrorContains(t, err, filepath.Join(disk, "other"))
}

func fillDisk(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 1<<16))
	}
	for size := 1 << 12; size > 0; size /= 2 {
		_, _ = file.Write(make([]byte, size))
	}
}
