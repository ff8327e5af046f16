package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/fluxmq/webhookd/config"
)

// DeadLettersFile is the file in dead_letters.dir that grows: a JSON line for each dead letter, the latest last. Older
// ones stand beside it, with the time in their names at which they stopped growing.
const DeadLettersFile = "dead-letters.jsonl"

// lockFile is in dead_letters.dir, and locked while a program uses the folder.
const lockFile = ".lock"

const (
	// maxDeadLetterLine bounds a line: an event with the largest payload that MQTT allows, in base64, and its surroundings.
	maxDeadLetterLine = 384 << 20
	// letterSegments is into how many files max_bytes is divided, so that little goes at once when the oldest gives way.
	letterSegments = 8
	// maxLetterFileAge is how long a file grows where there is a max_age.
	maxLetterFileAge = 24 * time.Hour
)

// letterFile is the growing file, which is open all the time, so that a lack of descriptors loses no letter, and the older
// ones beside it. It is used under a lock.
//
// Ages are measured by the monotonic clock, and files are told apart by a number: a wall clock that is set makes none of
// them older or younger.
type letterFile struct {
	dir      string
	maxBytes int64
	maxAge   time.Duration
	log      *slog.Logger

	lock    *flock.Flock
	locked  os.FileInfo // of the lock; nil: the folder is not locked
	growing *os.File
	opened  os.FileInfo // of the growing file; nil: it is not open
	size    int64       // of the growing file
	begun   time.Time   // when the growing file got its first line
	torn    bool        // the growing file's last line has no end

	older   []letterSegment
	numbers uint64 // given to older files so far
	deleted Deletions

	complain time.Time
}

// Deletions counts the dead letters that were deleted, replayed ones among them.
type Deletions struct {
	MaxBytes uint64 // because of max_bytes
	MaxAge   uint64 // because of max_age
}

func openLetterFile(cfg config.DeadLetters, now time.Time, log *slog.Logger) (*letterFile, error) {
	f := &letterFile{dir: string(cfg.Dir), maxBytes: int64(cfg.MaxBytes), maxAge: cfg.MaxAge, log: log}
	if err := f.open(now); err != nil {
		return nil, errors.Join(err, f.release())
	}
	f.tend(now)
	return f, nil
}

// open makes and opens what is missing, and finds out what the folder holds.
func (f *letterFile) open(now time.Time) (err error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for dead letters: %w", err)
	}
	if err := f.lockFolder(); err != nil {
		return err
	}
	if err := f.openGrowing(); err != nil {
		return fmt.Errorf("open the file for dead letters: %w", err)
	}
	if err := f.inspect(now); err != nil {
		return fmt.Errorf("read the file for dead letters: %w", err)
	}
	if f.older, err = letterSegmentsIn(f.dir, now); err != nil {
		return fmt.Errorf("read the folder for dead letters: %w", err)
	}
	if len(f.older) > 0 {
		f.numbers = max(f.numbers, f.older[len(f.older)-1].number)
	}
	return nil
}

// lockFolder keeps other programs out: two that write and delete in one folder would lose letters.
func (f *letterFile) lockFolder() error {
	lock := flock.New(filepath.Join(f.dir, lockFile), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the folder for dead letters: %w", err)
	}
	if !locked {
		return errors.New("dead_letters.dir is in use by another webhookd: give each a folder of its own")
	}
	f.lock = lock
	if f.locked, err = lock.Stat(); err != nil {
		return fmt.Errorf("lock the folder for dead letters: %w", err)
	}
	return nil
}

func (f *letterFile) path() string { return filepath.Join(f.dir, DeadLettersFile) }

// openGrowing opens the growing file, which must be a file of its own: letters are written to no other place.
func (f *letterFile) openGrowing() error {
	if info, err := os.Lstat(f.path()); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", f.path())
	}
	file, err := os.OpenFile(f.path(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !isAt(info, f.path()) {
		err = errTakenAway
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.growing, f.opened, f.size, f.torn = file, info, 0, false
	return nil
}

// isAt tells whether the file that was opened is the one that is found there.
func isAt(opened os.FileInfo, path string) bool {
	info, err := os.Lstat(path)
	return opened != nil && err == nil && os.SameFile(opened, info)
}

// inspect finds out what an earlier run left: also whether a crash or a full disk cut the last line off.
func (f *letterFile) inspect(now time.Time) error {
	end, err := f.growing.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.growing.ReadAt(last, end-1); err != nil {
		return err
	}
	f.size, f.torn = end, last[0] != '\n'
	f.begun = timeOfFirstLine(io.NewSectionReader(f.growing, 0, end), now)
	return nil
}

// release closes what is open.
func (f *letterFile) release() error {
	var err error
	if f.opened != nil {
		err = f.growing.Close()
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Unlock())
	}
	f.opened, f.size, f.lock, f.locked = nil, 0, nil, nil
	return err
}

func (f *letterFile) close() error {
	var err error
	if f.opened != nil {
		err = f.growing.Sync()
	}
	if err := errors.Join(err, f.release()); err != nil {
		return fmt.Errorf("close the file for dead letters: %w", err)
	}
	return nil
}

func (f *letterFile) complainOf(what string, err error) {
	if now := time.Now(); now.Sub(f.complain) >= complaintInterval {
		f.complain = now
		f.log.Error(what, "error", err)
	}
}
