package bolt

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
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
	looked bool        // all pages were looked through when it was opened
	failed error       // of the latest Commit: nothing may be written until it is opened again

	stats sync.Mutex
	usage store.Usage // as of the latest commit
	bytes uint64      // written to files that are closed by now
}

var _ store.Keeper = (*Keeper)(nil)

var errClosed = errors.New("the store is closed")

// view reads within one transaction, which sees what the latest commit left. Where pages turn out to be damaged that were
// not looked through, that is done now, and the reading again.
func (k *Keeper) view(read func(tables) error) error {
	err := k.viewOnce(read)
	if damaged := (*damagedError)(nil); !errors.As(err, &damaged) {
		return err
	}
	if failed := k.heal(err); failed != nil {
		return failed
	}
	return k.viewOnce(read)
}

func (k *Keeper) viewOnce(read func(tables) error) (err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.db == nil {
		return k.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	return k.db.View(func(tx *bbolt.Tx) error { return read(tablesOf(tx)) })
}

// heal looks through the file because of an error, and opens what can be read of it.
func (k *Keeper) heal(because error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.db == nil:
		return k.broken
	case k.looked:
		return because
	}
	return k.reopen()
}

// Commit implements store.Keeper.
func (k *Keeper) Commit(group *store.Group) (store.Trimmed, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.db == nil {
		return store.Trimmed{}, k.broken
	}
	if k.failed != nil {
		return store.Trimmed{}, k.failed
	}
	trimmed, letters, err := k.commit(group)
	if err != nil {
		k.failed = err
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
	defer func() { _ = tx.Rollback() }() // which does nothing after Commit
	change, err := newChange(tx, &k.damaged)
	if err != nil {
		return trimmed, after, &damagedError{err}
	}
	if err := change.make(group); err != nil {
		return trimmed, after, err
	}
	return change.trimmed, change.state, commitTx(tx)
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

// Close implements store.Keeper. It leaves a list of the free pages, without which opening has to look through the file.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if errors.Is(k.broken, errClosed) {
		return nil
	}
	if k.db != nil && k.failed == nil {
		if err := k.folder.markClosed(k.db); err != nil {
			k.log.Warn("the store will take longer to open", "error", err)
		}
	}
	err := k.closeFile()
	k.broken = errClosed
	return errors.Join(err, k.folder.unlock())
}

// closeFile closes the file, without an error where there is none open.
func (k *Keeper) closeFile() (err error) {
	if k.db == nil {
		return nil
	}
	k.stats.Lock()
	k.bytes = k.usage.WrittenBytes
	k.stats.Unlock()
	db := k.db
	k.db = nil
	defer recoverDamage(&err)
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
	return k.reopen()
}

func (k *Keeper) reopen() error {
	if err := k.closeFile(); err != nil {
		k.log.Warn("the store's file could not be closed", "error", err)
	}
	err := k.folder.forget()
	if err == nil {
		err = k.folder.look(k.log, false, false)
	}
	if err == nil {
		err = k.open()
	}
	k.looked = err == nil
	if err != nil {
		k.broken = err
	}
	return err
}

// open opens the file of the folder, which this process has locked.
func (k *Keeper) open() error {
	db, err := openFile(k.folder.path())
	if err != nil {
		return err
	}
	if err := k.use(db); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// use has the Keeper work with an open file.
func (k *Keeper) use(db *bbolt.DB) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	file, err := os.Stat(k.folder.path())
	if err != nil {
		return err
	}
	var s state
	if err := db.View(func(tx *bbolt.Tx) (err error) {
		s, err = readState(tx.Bucket(metaBucket))
		return err
	}); err != nil {
		return fmt.Errorf("read %s: %w", k.folder.path(), err)
	}
	k.db, k.file, k.broken, k.failed = db, file, nil, nil
	k.measure(s)
	return nil
}

// Open opens the store in a folder, which it makes if there is none, and locks it. It logs what becomes of what is
// damaged there.
func Open(dir string, log *slog.Logger) (*Keeper, error) {
	folder, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	k := &Keeper{folder: folder, log: log}
	if err := k.begin(); err != nil {
		return nil, errors.Join(err, folder.unlock())
	}
	return k, nil
}

func (k *Keeper) begin() error {
	if err := k.folder.makeFile(); err != nil {
		return err
	}
	brief := k.folder.closedWell()
	if err := k.folder.look(k.log, true, brief); err != nil {
		return err
	}
	k.looked = !brief
	return k.open()
}
