package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/DeRuina/timberjack"
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

// letterFile is the growing file and the older ones beside it. It bounds and deletes them itself: timberjack would count
// files, not bytes, and only when one is full. It is used under a lock.
type letterFile struct {
	dir      string
	maxBytes int64
	maxAge   time.Duration
	log      *slog.Logger
	lock     *flock.Flock

	growing *timberjack.Logger
	opened  os.FileInfo // of the growing file; nil: it is not open yet
	size    int64       // of the growing file
	begun   time.Time   // when the growing file got its first line
	torn    bool        // the growing file's last line has no end
	older   []letterSegment

	complain time.Time
}

func openLetterFile(cfg config.DeadLetters, now time.Time, log *slog.Logger) (*letterFile, error) {
	f := &letterFile{dir: string(cfg.Dir), maxBytes: int64(cfg.MaxBytes), maxAge: cfg.MaxAge, log: log}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for dead letters: %w", err)
	}
	if err := f.lockFolder(); err != nil {
		return nil, err
	}
	if err := f.open(now); err != nil {
		return nil, errors.Join(err, f.lock.Unlock())
	}
	return f, nil
}

// lockFolder keeps other programs out: two that write and delete in one folder would lose letters.
func (f *letterFile) lockFolder() error {
	f.lock = flock.New(filepath.Join(f.dir, lockFile), flock.SetPermissions(0o600))
	locked, err := f.lock.TryLock()
	switch {
	case err != nil:
		return fmt.Errorf("lock the folder for dead letters: %w", err)
	case !locked:
		return errors.New("dead_letters.dir is in use by another webhookd: give each a folder of its own")
	}
	return nil
}

func (f *letterFile) open(now time.Time) error {
	file, err := os.OpenFile(f.path(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the file for dead letters: %w", err)
	}
	if err := errors.Join(f.inspect(file, now), file.Close()); err != nil {
		return fmt.Errorf("read the file for dead letters: %w", err)
	}
	if f.older, err = letterSegmentsIn(f.dir); err != nil {
		return fmt.Errorf("read the folder for dead letters: %w", err)
	}
	f.growing = newGrowingFile(f.path())
	f.tend(now)
	return nil
}

// newGrowingFile rotates when it is told, and never by itself: a line is lost when that fails.
func newGrowingFile(path string) *timberjack.Logger {
	return &timberjack.Logger{
		Filename:         path,
		FileMode:         0o600,
		MaxSize:          math.MaxInt32, // MB
		BackupTimeFormat: segmentTimeFormat,
	}
}

func (f *letterFile) path() string { return filepath.Join(f.dir, DeadLettersFile) }

// inspect finds out what an earlier run left: also whether a crash or a full disk cut the last line off.
func (f *letterFile) inspect(file *os.File, now time.Time) error {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, end-1); err != nil {
		return err
	}
	f.size, f.torn = end, last[0] != '\n'
	_, err = file.Seek(0, io.SeekStart)
	f.begun = timeOfFirstLine(file, now)
	return err
}

// write appends a line, which is never divided between two files.
func (f *letterFile) write(letter any) error {
	line, err := encodeLine(letter)
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	if limit := min(f.maxBytes, maxDeadLetterLine); int64(len(line)) > limit {
		return fmt.Errorf("a dead letter of %d bytes is larger than %d, which dead_letters.max_bytes allows", len(line), limit)
	}
	if f.size > 0 && f.size+int64(len(line)) > f.maxBytes/letterSegments {
		f.rotate()
	}
	if err := f.makeRoom(int64(len(line))); err != nil {
		return err
	}
	return f.append(line)
}

func (f *letterFile) append(line []byte) error {
	f.beginAnewIfGone()
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	if f.size == 0 {
		f.begun = time.Now()
	}
	written, err := f.growing.Write(line)
	f.size += int64(written)
	if err != nil {
		f.torn = f.torn || written > 0
		return fmt.Errorf("write a dead letter: %w", err)
	}
	f.torn = false
	if f.opened == nil {
		f.opened, _ = os.Lstat(f.path()) // nil: seen to at the next line
	}
	return nil
}

var errTakenAway = errors.New("it is not where it was")

// beginAnewIfGone begins another file where somebody took the growing one away: what is written to that goes with it.
func (f *letterFile) beginAnewIfGone() {
	if f.opened == nil {
		return
	}
	if info, err := os.Lstat(f.path()); err == nil && os.SameFile(f.opened, info) {
		return
	}
	f.complainOf("the file of dead letters was taken away, and another one is begun", errTakenAway)
	_ = f.growing.Close() // nothing of it can be saved
	f.growing, f.opened, f.size, f.torn = newGrowingFile(f.path()), nil, 0, false
}

// rotate begins a new file. Where that is impossible the old one goes on growing, so that no letter is lost for it.
func (f *letterFile) rotate() {
	if err := f.growing.Rotate(); err != nil {
		f.complainOf("the file of dead letters can't be rotated, and grows on", err)
		return
	}
	f.opened, f.size, f.torn = nil, 0, false
	older, err := letterSegmentsIn(f.dir)
	if err != nil {
		f.complainOf("older dead letters are not found, and not deleted", err)
		return
	}
	f.older = older
}

// makeRoom deletes the oldest files until so many bytes are within max_bytes.
func (f *letterFile) makeRoom(bytes int64) error {
	total := f.size + bytes
	for _, segment := range f.older {
		total += segment.size
	}
	for total > f.maxBytes && len(f.older) > 0 {
		oldest := f.older[0]
		if err := f.deleteOldest(); err != nil {
			return err
		}
		f.log.Warn("the oldest dead letters are deleted: dead_letters.max_bytes is reached", "file", oldest.name, "bytes", oldest.size)
		total -= oldest.size
	}
	if total > f.maxBytes {
		return errors.New("dead_letters.max_bytes is reached, and no older file is left to delete")
	}
	return nil
}

// tend deletes the files that are older than max_age, and sees to it that the growing one gets older at all.
func (f *letterFile) tend(now time.Time) {
	if f.maxAge > 0 {
		if f.size > 0 && now.Sub(f.begun) >= maxLetterFileAge {
			f.rotate()
		}
		for len(f.older) > 0 && now.Sub(f.older[0].ended) >= f.maxAge {
			oldest := f.older[0]
			if err := f.deleteOldest(); err != nil {
				f.complainOf("old dead letters are not deleted", err)
				return
			}
			f.log.Info("dead letters older than dead_letters.max_age are deleted", "file", oldest.name, "bytes", oldest.size)
		}
	}
	if err := f.makeRoom(0); err != nil {
		f.complainOf("old dead letters are not deleted", err)
	}
}

func (f *letterFile) deleteOldest() error {
	err := os.Remove(filepath.Join(f.dir, f.older[0].name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete the oldest dead letters: %w", err)
	}
	f.older = f.older[1:]
	return nil
}

func (f *letterFile) close() error {
	if err := errors.Join(f.growing.Sync(), f.growing.Close(), f.lock.Unlock()); err != nil {
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
