package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	fileName = "webhookd.db"
	newName  = fileName + ".new" // what is being made, and becomes fileName when it is whole
	lockName = "webhookd.lock"   // holds the process id of who uses the folder

	folderMode = 0o700
	fileMode   = 0o600

	lockTimeout  = time.Second // for a process that is just ending
	lockInterval = 20 * time.Millisecond
)

// folder is a folder that this process has for itself.
type folder struct {
	dir  string
	lock *flock.Flock
}

// openFolder makes a folder where there is none, and locks it.
func openFolder(dir string) (*folder, error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("make the folder of the store: %w", err)
	}
	f := &folder{dir: dir}
	if err := f.obtain(); err != nil {
		return nil, err
	}
	return f, nil
}

// makeFolder makes a folder and those that it is in, so that all outlive a power cut.
func makeFolder(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// obtain locks the folder.
func (f *folder) obtain() error {
	lock := flock.New(filepath.Join(f.dir, lockName), flock.SetPermissions(fileMode))
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	locked, err := lock.TryLockContext(ctx, lockInterval)
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("lock the folder of the store: %w", err)
	case !locked:
		return fmt.Errorf("the store in %s is used by another process%s", f.dir, f.holder())
	}
	f.lock = lock
	_ = os.WriteFile(lock.Path(), fmt.Appendln(nil, os.Getpid()), fileMode) // to be named, no more
	return nil
}

// holder names the process that has the folder, as far as it is known.
func (f *folder) holder() string {
	text, err := os.ReadFile(filepath.Join(f.dir, lockName))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func (f *folder) unlock() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Unlock()
}

func (f *folder) path() string { return filepath.Join(f.dir, fileName) }

// makeFile makes an empty file where there is none: under another name, so that it is there as a whole or not at all.
func (f *folder) makeFile() error {
	switch _, err := os.Stat(f.path()); {
	case err == nil:
		return syncFolder(f.dir) // who installed it may have been killed before
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	db, err := f.beginNew()
	if err != nil {
		return fmt.Errorf("make %s: %w", f.path(), err)
	}
	if err := errors.Join(db.Close(), f.install()); err != nil {
		return fmt.Errorf("make %s: %w", f.path(), err)
	}
	return nil
}

// install has what was made under another name be the file of the store.
func (f *folder) install() error {
	if err := os.Rename(filepath.Join(f.dir, newName), f.path()); err != nil {
		return err
	}
	return syncFolder(f.dir)
}

// stillHas fails where the open file is not the one that others would find.
func (f *folder) stillHas(file os.FileInfo) error {
	switch now, err := os.Stat(f.path()); {
	case err != nil:
		return fmt.Errorf("the store's file is gone: %w", err)
	case !os.SameFile(file, now):
		return fmt.Errorf("the store's file %s was exchanged for another one", f.path())
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
