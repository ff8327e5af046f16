package bolt

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// look looks through all pages of the file. Where some are damaged it puts what can be read into a new file and keeps the
// old one beside it. Where some can't be read at this moment it fails, or with evenUnread does without them. A brief look is
// enough for a file that was closed well: the events that it leaves out are looked at when they are read.
func (f *folder) look(log *slog.Logger, evenUnread, brief bool) error {
	file, err := os.Open(f.path())
	if err != nil {
		return fmt.Errorf("open the store's file: %w", err)
	}
	defer file.Close()
	found := checkPages(file, brief)
	switch {
	case found.newer != nil:
		return fmt.Errorf("%s: %w", f.path(), found.newer)
	case found.problems == 0:
		return nil
	case found.reading != nil && !evenUnread:
		return fmt.Errorf("read %s: %w", f.path(), found.reading)
	}
	result, kept, err := f.salvage(file)
	if err != nil {
		return fmt.Errorf("%s is damaged (%w), and what can be read of it can't be put into a new file: %w", f.path(), found.err(), err)
	}
	log.Error("the store's file is damaged: what can be read of it was put into a new one",
		"error", found.err(), "file", f.path(), "kept", kept,
		"held", result.Events, "dead_letters", result.Letters, "held_again", result.Held, "unreadable", result.Damaged)
	return nil
}

// salvage makes a new file of what can be read of a damaged one, which it keeps under another name.
func (f *folder) salvage(file *os.File) (result salvaged, kept string, err error) {
	old, _ := openPages(file) // without a meta page all pages are orphans
	db, err := f.beginNew()
	if err != nil {
		return result, "", err
	}
	db.NoSync, db.NoGrowSync = true, true // until all is there
	result, err = salvageInto(db, old)
	if err := errors.Join(err, db.Sync(), db.Close()); err != nil {
		return result, "", err
	}
	kept = f.path() + ".damaged-" + time.Now().UTC().Format("2006-01-02T15-04-05.000")
	if err := keepBeside(f.path(), kept); err != nil {
		return result, "", err
	}
	return result, kept, f.install()
}

func salvageInto(db *bbolt.DB, old *pages) (result salvaged, err error) {
	defer recoverDamage(&err)
	return newSalvage(old, db).run()
}

// keepBeside gives a file a second name, or copies it where the file system has no such thing.
func keepBeside(path, name string) error {
	if err := os.Link(path, name); err == nil {
		return nil
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Sync(), to.Close())
}

// forget has the operating system forget what it has of the file in memory, after a write of which nobody knows how much
// reached the disk: it may hold pages for good that were never written.
func (f *folder) forget() error {
	file, err := os.OpenFile(f.path(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the store's file: %w", err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.path(), err)
	}
	return dropCache(file)
}

// closedName holds a checksum of what a look through the pages would find out, as it was when the file was closed.
const closedName = fileName + ".closed"

// markClosed has the free list written, and notes that this was done.
func (f *folder) markClosed(db *bbolt.DB) (err error) {
	defer recoverDamage(&err)
	db.NoFreelistSync = false
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after a commit
	if err := commitTx(tx); err != nil {
		return fmt.Errorf("write the list of free pages: %w", err)
	}
	mark, err := f.closedMark()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, closedName), mark, fileMode)
}

// closedWell tells whether nothing was written to the file since it was closed.
func (f *folder) closedWell() bool {
	noted, err := os.ReadFile(filepath.Join(f.dir, closedName))
	if err != nil {
		return false
	}
	mark, err := f.closedMark()
	return err == nil && string(mark) == string(noted)
}

// closedMark is a checksum of the newest meta page and the free list.
func (f *folder) closedMark() ([]byte, error) {
	file, err := os.Open(f.path())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p, err := openPages(file)
	if err != nil {
		return nil, err
	}
	head, err := p.readAt(p.meta.freelist, 1)
	if err != nil {
		return nil, err
	}
	list, err := p.readAt(p.meta.freelist, uint64(native.Uint32(head[12:]))+1)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "transaction %d, free pages %08x\n", p.meta.txid, checksum(nil, list)), nil
}
