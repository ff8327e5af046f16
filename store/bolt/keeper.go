package bolt

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/store"
)

// Keeper is a store.Keeper over one file.
type Keeper struct {
	folder  *folder
	log     *slog.Logger
	damaged damage

	mu     sync.RWMutex // held for reading by all that uses db, for writing by who exchanges it
	db     *bbolt.DB
	file   os.FileInfo // of the file that db is of
	broken error       // why there is no db

	stats sync.Mutex
	usage store.Usage // as of the latest commit
	bytes uint64      // written to files that are closed by now
}

var errClosed = errors.New("the store is closed")

// view reads within one transaction, which sees what the latest commit left.
func (k *Keeper) view(read func(tables) error) (err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.db == nil {
		return k.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	return k.db.View(func(tx *bbolt.Tx) error { return read(tablesOf(tx)) })
}

// Commit implements store.Keeper.
func (k *Keeper) Commit(group *store.Group) (store.Trimmed, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.db == nil {
		return store.Trimmed{}, k.broken
	}
	trimmed, letters, err := k.commit(group)
	if err != nil {
		return store.Trimmed{}, fmt.Errorf("write to %s: %w", k.folder.path(), err)
	}
	if err := k.folder.stillHas(k.file); err != nil {
		return store.Trimmed{}, err
	}
	k.measure(letters)
	return trimmed, nil
}

func (k *Keeper) commit(group *store.Group) (trimmed store.Trimmed, after state, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	tx, err := k.db.Begin(true)
	if err != nil {
		return trimmed, after, err
	}
	defer tx.Rollback() // nothing, after Commit
	change, err := newChange(tx, &k.damaged)
	if err != nil {
		return trimmed, after, &damagedError{err}
	}
	if err := change.make(group); err != nil {
		return trimmed, after, err
	}
	return change.trimmed, change.state, tx.Commit()
}

// measure notes how much room the file takes.
func (k *Keeper) measure(after state) {
	stats := k.db.Stats()
	k.stats.Lock()
	defer k.stats.Unlock()
	if info, err := os.Stat(k.folder.path()); err == nil {
		k.usage.FileBytes = info.Size()
	}
	pageSize := int64(k.db.Info().PageSize)
	k.usage.FreeBytes = int64(stats.FreePageN+stats.PendingPageN) * pageSize
	k.usage.Letters, k.usage.LetterBytes = after.letters.Events, after.letters.Bytes
	k.usage.WrittenBytes = k.bytes + uint64(stats.TxStats.GetPageAlloc())
}

// Usage implements store.Keeper.
func (k *Keeper) Usage() store.Usage {
	k.stats.Lock()
	defer k.stats.Unlock()
	return k.usage
}

// Last implements store.Keeper.
func (k *Keeper) Last() (store.Last, error) {
	var s state
	err := k.view(func(t tables) (err error) {
		s, err = readState(t.meta)
		return err
	})
	return s.last, err
}

// Close implements store.Keeper.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if errors.Is(k.broken, errClosed) {
		return nil
	}
	err := k.closeFile()
	k.broken = errClosed
	return errors.Join(err, k.folder.unlock())
}

// closeFile closes the file, without an error where there is none open.
func (k *Keeper) closeFile() error {
	if k.db == nil {
		return nil
	}
	k.stats.Lock()
	k.bytes = k.usage.WrittenBytes
	k.stats.Unlock()
	db := k.db
	k.db = nil
	if err := db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", k.folder.path(), err)
	}
	return nil
}

// Reopen implements store.Keeper.
func (k *Keeper) Reopen() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if errors.Is(k.broken, errClosed) {
		return errClosed
	}
	if err := k.closeFile(); err != nil {
		k.log.Warn("the store's file could not be closed", "error", err)
	}
	return k.open()
}

// open opens the file of the folder, which this process has locked.
func (k *Keeper) open() error {
	db, err := openFile(k.folder.path())
	if err == nil {
		err = k.use(db)
	}
	if err != nil {
		k.db, k.broken = nil, err
		return err
	}
	return nil
}

// use has the Keeper work with an open file.
func (k *Keeper) use(db *bbolt.DB) error {
	file, err := os.Stat(db.Path())
	if err != nil {
		return err
	}
	var s state
	if err := db.View(func(tx *bbolt.Tx) (err error) {
		s, err = readState(tx.Bucket(metaBucket))
		return err
	}); err != nil {
		return fmt.Errorf("read %s: %w", db.Path(), err)
	}
	k.db, k.file, k.broken = db, file, nil
	k.measure(s)
	return nil
}

// Compact implements store.Keeper.
func (k *Keeper) Compact() error { return nil }

// Open opens the store in a folder, which it makes if there is none, and locks it. It logs what becomes of what is
// damaged there.
func Open(dir string, log *slog.Logger) (*Keeper, error) {
	folder, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	k := &Keeper{folder: folder, log: log}
	if err := errors.Join(folder.makeFile(), k.open()); err != nil {
		return nil, errors.Join(err, folder.unlock())
	}
	return k, nil
}

func (f *folder) path() string { return filepath.Join(f.dir, fileName) }
