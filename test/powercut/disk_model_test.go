//go:build linux

package powercut

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDiskKeepsWhatWasSyncedAndATornRestOfTheOther tests the test's own file system, through the kernel.
func TestDiskKeepsWhatWasSyncedAndATornRestOfTheOther(t *testing.T) {
	m := newMachine(t, 1)
	path := filepath.Join(m.folder, "file")
	old, new := bytes.Repeat([]byte("o"), 8*sector), bytes.Repeat([]byte("n"), 8*sector)
	nothing, torn, whole := 0, 0, 0
	for range 40 {
		file, err := os.Create(path)
		require.NoError(t, err)
		_, err = file.WriteAt(old, 0)
		require.NoError(t, err)
		require.NoError(t, file.Sync())
		syncFolder(t, m.folder)
		_, err = file.WriteAt(new, 0)
		require.NoError(t, err)
		m.cut()
		_, err = file.WriteAt(new, 0)
		require.ErrorIs(t, err, syscall.EIO)
		file.Close()
		m.boot()
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Len(t, got, len(old))
		for at := 0; at < len(got); at += sector {
			require.Contains(t, []string{string(old[:sector]), string(new[:sector])}, string(got[at:at+sector]))
		}
		switch {
		case bytes.Equal(got, old):
			nothing++
		case bytes.Equal(got, new):
			whole++
		default:
			torn++
		}
	}
	require.Positive(t, nothing)
	require.Positive(t, torn)
	require.Positive(t, whole)
}

// TestDiskKeepsANameWhenItsFolderWasSynced has the other kinds of changes.
func TestDiskKeepsANameWhenItsFolderWasSynced(t *testing.T) {
	m := newMachine(t, 2)
	at := func(name string) string { return filepath.Join(m.folder, name) }
	lost, there := 0, 0
	for range 40 {
		require.NoError(t, os.WriteFile(at("a"), []byte("a"), 0o600))
		syncFile(t, at("a"))
		syncFolder(t, m.folder)
		require.NoError(t, os.WriteFile(at("b"), []byte("b"), 0o600))
		syncFile(t, at("b"))
		require.NoError(t, os.Rename(at("b"), at("a")))
		m.cut()
		m.boot()
		text, err := os.ReadFile(at("a"))
		require.NoError(t, err, "a rename never loses both")
		if string(text) == "a" {
			lost++
		} else {
			there++
		}
		_ = os.Remove(at("b"))
	}
	require.Positive(t, lost)
	require.Positive(t, there)
}

// TestDiskDropsThePagesOfAFailedSync and finds nothing to write the next time.
func TestDiskDropsThePagesOfAFailedSync(t *testing.T) {
	m := newMachine(t, 3)
	path := filepath.Join(m.folder, "file")
	old, new := bytes.Repeat([]byte("o"), 64*sector), bytes.Repeat([]byte("n"), 64*sector)
	require.NoError(t, os.WriteFile(path, old, 0o600))
	syncFile(t, path)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteAt(new, 0)
	require.NoError(t, err)
	m.breaks(Faults{Sync: true})
	require.ErrorIs(t, file.Sync(), syscall.EIO)
	m.breaks(Faults{})
	require.NoError(t, file.Sync())
	cached, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, new, cached, "the kernel's cache has it")
	m.dropCache()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotEqual(t, new, got)
	require.NotEqual(t, old, got)
}

// TestFullDiskTakesWhatNeedsNoRoom also tells who asks that it is full.
func TestFullDiskTakesWhatNeedsNoRoom(t *testing.T) {
	m := newMachine(t, 4)
	path := filepath.Join(m.folder, "file")
	require.NoError(t, os.WriteFile(path, make([]byte, sector), 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	m.breaks(Faults{Full: true})
	_, err = file.WriteAt(make([]byte, sector), 0)
	require.NoError(t, err)
	_, err = file.WriteAt(make([]byte, sector), sector)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, os.WriteFile(path+"2", nil, 0o600), syscall.ENOSPC)
	var room syscall.Statfs_t
	require.NoError(t, syscall.Statfs(m.folder, &room))
	require.Zero(t, room.Bavail)
}

func syncFile(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Sync())
}

func syncFolder(t *testing.T, path string) {
	t.Helper()
	folder, err := os.Open(path)
	require.NoError(t, err)
	defer folder.Close()
	require.NoError(t, folder.Sync())
}
