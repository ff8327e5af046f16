package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

// short has the test run alone in a process of its own, which may limit what it has: true there.
func short(t *testing.T) bool {
	t.Helper()
	const child = "WEBHOOKD_TEST_SHORT_OF"
	if os.Getenv(child) == t.Name() {
		return true
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), child+"="+t.Name())
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: "+t.Name())
	return false
}

func TestReadingAndRotatingLeaveNothingOpen(t *testing.T) {
	if !short(t) {
		return
	}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	letters := openLettersOf(t, config.DeadLetters{Dir: config.Path(t.TempDir()), MaxBytes: smallBytes})
	opened := open()
	debug.SetGCPercent(-1) // which closes what is forgotten
	keepMany(t, letters, 0, 100)
	listAll(t, letters)
	page := listAll(t, letters)
	_, err := letters.Find(t.Context(), page.Letters[0].ID)
	require.NoError(t, err)
	keepMany(t, letters, 100, 200)
	require.NoError(t, os.RemoveAll(letters.file.dir))
	keepMany(t, letters, 200, 201)
	require.Equal(t, opened, open())
	require.NoError(t, letters.Close())
	require.Equal(t, opened-2, open(), "the growing file and the lock are closed")
}

// limit sets how much this process may have until it is restored.
func limit(t *testing.T, resource int, to uint64) (restore func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(resource, &before))
	require.NoError(t, syscall.Setrlimit(resource, &syscall.Rlimit{Cur: to, Max: before.Max}))
	return func() { require.NoError(t, syscall.Setrlimit(resource, &before)) }
}

func TestNoFileDescriptorLosesNoLetter(t *testing.T) {
	if !short(t) {
		return
	}
	const letters = 150
	var log bytes.Buffer
	dir := t.TempDir()
	kept, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: 8 * smallBytes}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	keepMany(t, kept, 0, 10)
	restore := limit(t, syscall.RLIMIT_NOFILE, 0)
	_, err = os.Open(dir)
	require.ErrorIs(t, err, syscall.EMFILE)
	keepMany(t, kept, 10, letters)
	require.Empty(t, kept.file.older)
	restore()
	require.Contains(t, log.String(), "can't be rotated, and grows on")
	require.Contains(t, log.String(), "too many open files")

	keepMany(t, kept, letters, letters+100)
	require.NotEmpty(t, kept.file.older)
	require.NoError(t, kept.Close())
	page := listAll(t, openLetters(t, dir))
	require.Zero(t, page.Skipped)
	require.Len(t, page.Letters, letters+100)
	require.Equal(t, "0", page.Letters[0].EventID)
}

func TestFileTakenAwayWhileThereIsNoDescriptorIsBegunWhenThereIsOne(t *testing.T) {
	if !short(t) {
		return
	}
	dir := filepath.Join(t.TempDir(), "letters")
	letters := openLetters(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	restore := limit(t, syscall.RLIMIT_NOFILE, 0)
	require.False(t, letters.Keep(letterOf(newEvent(t, "lost")), false))
	restore()
	keepMany(t, letters, 0, 2)
	require.Equal(t, []string{"0", "1"}, eventIDsOf(listAll(t, letters)))
	require.NoError(t, letters.Close())
	openLetters(t, dir)
}

func TestLineThatAFullDiskCutsOffHarmsNoOther(t *testing.T) {
	if !short(t) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	dir := t.TempDir()
	letters := openLetters(t, dir)
	keepMany(t, letters, 0, 2)
	restore := limit(t, syscall.RLIMIT_FSIZE, uint64(letters.file.size)+200)
	for i := range 3 { // a part of the first is written, nothing of the others
		require.False(t, letters.Keep(letterOf(newEvent(t, fmt.Sprintf("lost %d", i))), false))
	}
	restore()
	keepMany(t, letters, 2, 4)
	require.Equal(t, []string{"0", "1", "2", "3"}, eventIDsOf(listAll(t, letters)))
	lines := fileLines(t, dir)
	require.Len(t, lines, 6)
	require.Len(t, lines[2], 200)
	info, err := os.Stat(filepath.Join(dir, DeadLettersFile))
	require.NoError(t, err)
	require.Equal(t, info.Size(), letters.file.size)
	require.NotContains(t, strings.Join(lines, "\n"), "lost 1")
}

func TestFileIsNeverAnythingElse(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.WriteFile(elsewhere, nil, 0o600))
	for name, place := range map[string]func(path string) error{
		"a folder":                   func(path string) error { return os.Mkdir(path, 0o700) },
		"a symbolic link":            func(path string) error { return os.Symlink(elsewhere, path) },
		"a symbolic link to no file": func(path string) error { return os.Symlink(elsewhere+"2", path) },
		"a pipe":                     func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, place(filepath.Join(dir, DeadLettersFile)))
			_, err := OpenDeadLetters(config.DeadLetters{Dir: config.Path(dir), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, "open the file for dead letters")
			require.ErrorContains(t, err, "is no regular file")
			require.NoFileExists(t, elsewhere+"2")

			require.NoError(t, os.Remove(filepath.Join(dir, DeadLettersFile)))
			keepMany(t, openLetters(t, dir), 0, 1) // the lock was given back
		})
	}
}
