package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// rotate begins a new file. Where that is impossible the old one goes on growing, so that no letter is lost for it.
func (f *letterFile) rotate(now time.Time) {
	segment := newLetterSegment(f.numbers+1, now, f.size)
	if err := f.moveGrowing(segment); err != nil {
		f.complainOf("the file of dead letters can't be rotated, and grows on", err)
		return
	}
	f.older = append(f.older, segment)
}

func (f *letterFile) moveGrowing(to letterSegment) error {
	path := filepath.Join(f.dir, to.name)
	if err := os.Rename(f.path(), path); err != nil {
		return err
	}
	f.numbers = to.number
	old := f.growing
	if err := f.openGrowing(); err != nil {
		return errors.Join(err, os.Rename(path, f.path()))
	}
	if err := errors.Join(old.Sync(), old.Close()); err != nil {
		f.complainOf("dead letters may not be on the disk", err)
	}
	return nil
}

// makeRoom deletes the oldest files until so many bytes are within max_bytes.
func (f *letterFile) makeRoom(bytes int64) error {
	total := f.size + bytes
	for _, segment := range f.older {
		total += segment.size
	}
	for total > f.maxBytes && len(f.older) > 0 {
		oldest := f.older[0]
		letters, err := f.deleteOldest()
		if err != nil {
			return err
		}
		f.deleted.MaxBytes += letters
		f.log.Warn("the oldest dead letters are deleted: dead_letters.max_bytes is reached", "file", oldest.name, "letters", letters, "bytes", oldest.size)
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
			f.rotate(now)
		}
		for len(f.older) > 0 && now.Sub(f.older[0].ended) >= f.maxAge {
			oldest := f.older[0]
			letters, err := f.deleteOldest()
			if err != nil {
				f.complainOf("old dead letters are not deleted", err)
				return
			}
			f.deleted.MaxAge += letters
			f.log.Info("dead letters older than dead_letters.max_age are deleted", "file", oldest.name, "letters", letters, "bytes", oldest.size)
		}
	}
	if err := f.makeRoom(0); err != nil {
		f.complainOf("old dead letters are not deleted", err)
	}
}

// deleteOldest tells how many letters were in the file.
func (f *letterFile) deleteOldest() (letters uint64, err error) {
	path := filepath.Join(f.dir, f.older[0].name)
	letters, err = countLetters(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.complainOf("dead letters are deleted and not counted", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("delete the oldest dead letters: %w", err)
	}
	f.older = f.older[1:]
	return letters, nil
}
