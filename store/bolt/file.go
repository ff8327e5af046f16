package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// options are bbolt's: without a free list written at each commit, which after an outage is long.
func options() *bbolt.Options {
	return &bbolt.Options{
		Timeout:        lockTimeout,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		Logger:         newFailures(),
	}
}

// openFile opens a file that is there. It begins none, unlike bbolt.
func openFile(path string) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	o := options()
	o.OpenFile = func(path string, flag int, mode os.FileMode) (*os.File, error) {
		return os.OpenFile(path, flag&^os.O_CREATE, mode)
	}
	db, err = bbolt.Open(path, fileMode, o)
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is used by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// beginNew begins a file under another name, with all buckets. What stood there was never whole.
func (f *folder) beginNew() (*bbolt.DB, error) {
	path := filepath.Join(f.dir, newName)
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, fileMode, options())
	if err != nil {
		return nil, err
	}
	if err := fillNew(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func fillNew(db *bbolt.DB) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after a commit
	if err := makeBuckets(tx); err != nil {
		return err
	}
	return commitTx(tx)
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	return errors.Join(writeVersion(meta, formatVersion), state{}.write(meta))
}
