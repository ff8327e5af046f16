package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// Info is what a folder keeps.
type Info struct {
	FormatVersion uint32
	FileBytes     int64
	FreeBytes     int64 // of the file, what compacting would give back, about
	Events        int   // bodies, each kept once
	Damaged       int   // records that were set aside
	Letters       delivery.Volume
	Endpoints     map[string]EndpointInfo
}

// EndpointInfo is what is kept of one endpoint.
type EndpointInfo struct {
	Held    delivery.Volume
	Since   time.Time // when the oldest event that is held was accepted; zero: none is held
	Account store.Account
}

// ReadInfo tells what a folder keeps that no program uses. It changes nothing there.
func ReadInfo(dir string) (Info, error) {
	var info Info
	err := inspect(dir, func(file *os.File, tx *bbolt.Tx) (err error) {
		info, err = readInfo(file, tx)
		return err
	})
	return info, err
}

func readInfo(file *os.File, tx *bbolt.Tx) (Info, error) {
	t := tablesOf(tx)
	s, err := readState(t.meta)
	if err != nil {
		return Info{}, err
	}
	info := Info{Letters: s.letters, Endpoints: map[string]EndpointInfo{}}
	if info.FormatVersion, err = readVersion(t.meta); err != nil {
		return Info{}, err
	}
	if info.FileBytes, info.FreeBytes, err = roomOf(file); err != nil {
		return Info{}, err
	}
	info.Events, info.Damaged = t.events.Stats().KeyN, t.damaged.Stats().KeyN
	return info, t.endpoints.ForEach(func(key, record []byte) error {
		e, err := decodeEndpoint(key, record)
		if err != nil {
			return fmt.Errorf("endpoint %q: %w", key, err)
		}
		of := EndpointInfo{Account: e.Account, Held: total(e.Kept)}
		of.Since, err = t.oldest(e.id)
		info.Endpoints[string(key)] = of
		return err
	})
}

func total(kept delivery.Kept) (all delivery.Volume) {
	for _, volume := range kept.Held {
		all.Events += volume.Events
		all.Bytes += volume.Bytes
	}
	return all
}

// oldest is when the oldest event of an endpoint was accepted.
func (t *tables) oldest(endpoint uint32) (time.Time, error) {
	for first := range t.heldFrom(endpoint, 0) {
		h, err := decodeHold(first.key, first.record)
		return h.at, err
	}
	return time.Time{}, nil
}

// roomOf is the size of a file, and of what is free within it.
func roomOf(file *os.File) (size, free int64, err error) {
	p, err := openPages(file)
	if err != nil {
		return 0, 0, err
	}
	if p.meta.freelist != noFreelist {
		text, err := p.readAt(p.meta.freelist, 1)
		if err != nil {
			return 0, 0, err
		}
		count := uint64(native.Uint16(text[10:]))
		if count == 0xFFFF {
			count = native.Uint64(text[pageHeader:])
		}
		return p.size, int64(count) * p.pageSize, nil
	}
	w := newWalk(p, func(string, []byte, []byte) {}, func(error) {})
	w.all()
	return p.size, (int64(p.meta.high) - int64(w.reached.len()) - 2) * p.pageSize, nil
}

// inspect reads the file of a folder that no program uses.
func inspect(dir string, read func(*os.File, *bbolt.Tx) error) (err error) {
	folder, err := idleFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.unlock()) }()
	file, err := os.Open(folder.path())
	if err != nil {
		return err
	}
	defer file.Close()
	o := options()
	o.ReadOnly = true
	db, err := bbolt.Open(folder.path(), fileMode, o)
	if err != nil {
		return fmt.Errorf("open %s: %w", folder.path(), err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return readWithin(db, func(tx *bbolt.Tx) error {
		if err := known(tx); err != nil {
			return fmt.Errorf("%s: %w", folder.path(), err)
		}
		return read(file, tx)
	})
}

// known fails for a file that is no store's, or one of a later version.
func known(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("it is no store's file, or damaged: it has no bucket %s", name)
		}
	}
	version, err := readVersion(tx.Bucket(metaBucket))
	if err == nil && version > formatVersion {
		err = laterVersion(version)
	}
	return err
}

func readWithin(db *bbolt.DB, read func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	return db.View(read)
}

// idleFolder locks a folder in which a store is.
func idleFolder(dir string) (*folder, error) {
	if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s holds no store: %w", dir, err)
		}
		return nil, err
	}
	return openFolder(dir)
}

// openIdle opens the store of a folder that has one.
func openIdle(dir string) (*Keeper, error) {
	folder, err := idleFolder(dir)
	if err != nil {
		return nil, err
	}
	if err := folder.unlock(); err != nil {
		return nil, err
	}
	return Open(dir, slog.Default())
}
