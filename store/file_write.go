package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// write appends a line, which is never divided between two files.
func (f *letterFile) write(letter any, now time.Time) error {
	line, err := encodeLine(letter)
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	if limit := min(f.maxBytes, maxDeadLetterLine); int64(len(line)) > limit {
		return fmt.Errorf("a dead letter of %d bytes is larger than %d, which dead_letters.max_bytes allows", len(line), limit)
	}
	if err := f.beginAnewIfGone(now); err != nil {
		return err
	}
	if f.size > 0 && f.size+int64(len(line)) > f.maxBytes/letterSegments {
		f.rotate(now)
	}
	if err := f.makeRoom(int64(len(line))); err != nil {
		return err
	}
	return f.append(line, now)
}

func (f *letterFile) append(line []byte, now time.Time) error {
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	if f.size == 0 {
		f.begun = now
	}
	written, err := f.growing.Write(line)
	f.size += int64(written)
	if err != nil {
		f.torn = f.torn || written > 0
		return fmt.Errorf("write a dead letter: %w", err)
	}
	f.torn = false
	return nil
}

var errTakenAway = errors.New("it is not where it was")

// beginAnewIfGone begins again where somebody took the growing file, the lock or the whole folder away: what is written to
// a file that nobody finds goes with it, and a folder without its lock may be another program's.
func (f *letterFile) beginAnewIfGone(now time.Time) error {
	if isAt(f.opened, f.path()) && isAt(f.locked, filepath.Join(f.dir, lockFile)) {
		return nil
	}
	f.complainOf("the file of dead letters was taken away, or the lock of its folder, and another one is begun", errTakenAway)
	_ = f.release() // nothing of it can be saved
	return f.open(now)
}
