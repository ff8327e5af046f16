package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// compactAtOnce is how many bytes are copied within one transaction.
const compactAtOnce = 4 << 20

// compactNeeds is the room that copying so many bytes needs: pages that are not quite filled, too.
func compactNeeds(used int64) int64 { return used + used/50 + 1<<20 }

// Compact implements store.Keeper: it copies what is used into a file beside and puts that in place of the old one. Reading
// goes on meanwhile.
func (k *Keeper) Compact() error {
	k.mu.RLock()
	old := k.db
	broken := k.broken
	k.mu.RUnlock()
	if old == nil {
		return broken
	}
	db, err := k.compacted()
	if err != nil {
		return fmt.Errorf("compact %s: %w", k.folder.path(), err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.db != old { // a damaged page was found meanwhile
		return errors.Join(errors.New("compact: the file was exchanged meanwhile"), db.Close())
	}
	if err := k.folder.install(); err != nil {
		return errors.Join(fmt.Errorf("compact %s: %w", k.folder.path(), err), db.Close())
	}
	if err := k.closeFile(); err != nil {
		k.log.Warn("the store's file from before it was compacted could not be closed", "error", err)
	}
	if err := k.use(db); err != nil {
		k.broken = err
		return errors.Join(err, db.Close())
	}
	return nil
}

// compacted copies what is used into a new file.
func (k *Keeper) compacted() (into *bbolt.DB, err error) {
	usage := k.Usage()
	if err := k.folder.hasRoom(compactNeeds(usage.FileBytes - usage.FreeBytes)); err != nil {
		return nil, err
	}
	path := filepath.Join(k.folder.dir, newName)
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	into, err = bbolt.Open(path, fileMode, options())
	if err != nil {
		return nil, err
	}
	into.NoSync, into.NoGrowSync = true, true // until all is there
	if err := errors.Join(k.copyTo(into), into.Sync()); err != nil {
		return nil, errors.Join(err, into.Close(), os.Remove(path))
	}
	into.NoSync, into.NoGrowSync = false, false
	return into, nil
}

func (k *Keeper) copyTo(into *bbolt.DB) (err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.db == nil {
		return k.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	return bbolt.Compact(into, k.db, compactAtOnce)
}

// hasRoom fails where the file system has less room than is needed.
func (f *folder) hasRoom(needed int64) error {
	room, err := roomIn(f.dir)
	if err != nil {
		return err
	}
	if needed > room {
		return fmt.Errorf("it needs %d bytes of room, and %s has %d", needed, f.dir, room)
	}
	return nil
}

// Compact compacts the file of a folder that no program uses.
func Compact(dir string) error {
	k, err := openIdle(dir)
	if err != nil {
		return err
	}
	return errors.Join(k.Compact(), k.Close())
}
