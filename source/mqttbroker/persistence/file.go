package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// FileName is the file's name in its folder.
const FileName = "broker.db"

const (
	version      = 1
	lockPatience = time.Second // for another process to let go of the file
	roomyBytes   = 4 << 20     // from this size on, a file that is mostly free is written anew when it is opened
	roomyFactor  = 4
)

var (
	recordsBucket = []byte("records") // number, big-endian → value, and the checksum of both
	aboutBucket   = []byte("about")
	versionKey    = []byte("version")
	checksums     = crc32.MakeTable(crc32.Castagnoli)
)

var (
	errDamaged = errors.New("the file is damaged")
	errInUse   = errors.New("another process has the file open")
)

// file is the bbolt file, which is replaced by a new one now and then.
type file struct {
	path string
	log  *slog.Logger
	db   *bolt.DB // nil: closed
}

// entry is a record as it was read.
type entry struct {
	number uint64
	value  []byte
}

// openFile reads all that there is. The file is read before it is opened for writing, because bbolt looks for free pages
// then, in a goroutine where a bad page can't be survived.
func openFile(dir string, log *slog.Logger) (*file, []entry, error) {
	f := &file{path: filepath.Join(dir, FileName), log: log}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the folder: %w", err)
	}
	entries, err := f.readAll()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.made(entries)
	case errors.Is(err, errDamaged):
		if err := f.setAside(err, len(entries)); err != nil {
			return nil, nil, err
		}
		return f.made(entries)
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	if err := guarded(func() (err error) { f.db, err = open(f.path, false); return err }); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	if err := f.giveBackRoom(entries); err != nil {
		log.Warn("the file of the MQTT broker is mostly free, and can't be written anew", "file", f.path, "error", err)
	}
	return f, entries, nil
}

func (f *file) made(entries []entry) (*file, []entry, error) {
	if err := f.writeAnew(changesOf(entries)); err != nil {
		return nil, nil, fmt.Errorf("make %s: %w", f.path, err)
	}
	return f, entries, nil
}

func changesOf(entries []entry) []change {
	changes := make([]change, len(entries))
	for i, e := range entries {
		changes[i] = change{&Record{number: e.number}, func() []byte { return e.value }}
	}
	return changes
}

// readAll reads what can be read. The error is errDamaged where that is not all.
func (f *file) readAll() (entries []entry, err error) {
	if info, err := os.Stat(f.path); err != nil {
		return nil, err
	} else if info.Size() == 0 {
		return nil, fmt.Errorf("%w: it is empty", errDamaged) // bbolt would write to it
	}
	err = guarded(func() error {
		db, err := open(f.path, true)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }() // nothing was written
		return db.View(func(tx *bolt.Tx) error { return readRecords(tx, &entries) })
	})
	return entries, err
}

func readRecords(tx *bolt.Tx, entries *[]entry) error {
	about, records := tx.Bucket(aboutBucket), tx.Bucket(recordsBucket)
	if about == nil || records == nil {
		return fmt.Errorf("%w: it is none of a broker's", errDamaged)
	}
	if v := about.Get(versionKey); len(v) != 1 || v[0] != version {
		return fmt.Errorf("it is of version %v, which this webhookd does not know; it knows %d", v, version)
	}
	damaged := 0
	err := records.ForEach(func(key, value []byte) error {
		if e, ok := checked(key, value); ok {
			*entries = append(*entries, e)
		} else {
			damaged++
		}
		return nil
	})
	if err == nil && damaged > 0 {
		err = fmt.Errorf("%w: %d records differ from their checksums", errDamaged, damaged)
	}
	return err
}

// checked copies a record out of the file, if its checksum is right.
func checked(key, value []byte) (entry, bool) {
	if len(key) != 8 || len(value) < crc32.Size {
		return entry{}, false
	}
	value, sum := value[:len(value)-crc32.Size], value[len(value)-crc32.Size:]
	if checksum(key, value) != binary.BigEndian.Uint32(sum) {
		return entry{}, false
	}
	return entry{binary.BigEndian.Uint64(key), append(make([]byte, 0, len(value)), value...)}, true
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, checksums), checksums, value)
}

// setAside keeps a damaged file under another name.
func (f *file) setAside(damage error, saved int) error {
	aside := f.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	f.log.Error("the file of the MQTT broker is damaged: it is set aside, and what could be read of it goes on in a new one",
		"damage", damage, "aside", aside, "records_read", saved)
	return nil
}

// giveBackRoom writes the file anew where most of it is free, which bbolt never gives back.
func (f *file) giveBackRoom(entries []entry) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, e := range entries {
		size += int64(len(e.value)) + 32
	}
	if info.Size() < roomyBytes || info.Size() < roomyFactor*size {
		return nil
	}
	return f.writeAnew(changesOf(entries))
}

// writeAnew puts the records, and nothing else, into a new file, which takes the place of the old one when it is synced.
func (f *file) writeAnew(records []change) error {
	aside := f.path + ".new"
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what is left of an earlier file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	return guarded(func() error {
		db, err := open(aside, false)
		if err != nil {
			return err
		}
		if err = fill(db, records); err == nil {
			err = os.Rename(aside, f.path)
		}
		if err == nil {
			err = syncFolder(filepath.Dir(f.path))
		}
		if err != nil {
			_ = db.Close()
			return err
		}
		if f.db != nil {
			_ = f.db.Close() // it has no name any more
		}
		f.db = db
		return nil
	})
}

func fill(db *bolt.DB, records []change) error {
	return db.Update(func(tx *bolt.Tx) error {
		about, err := tx.CreateBucket(aboutBucket)
		if err != nil {
			return err
		}
		if err := about.Put(versionKey, []byte{version}); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(recordsBucket); err != nil {
			return err
		}
		return apply(tx, records)
	})
}

// write commits the changes, and syncs them.
func (f *file) write(changes []change) error {
	return guarded(func() error {
		return f.db.Update(func(tx *bolt.Tx) error { return apply(tx, changes) })
	})
}

func apply(tx *bolt.Tx, changes []change) error {
	bucket := tx.Bucket(recordsBucket)
	bucket.FillPercent = 1 // numbers only grow
	for _, c := range changes {
		key := binary.BigEndian.AppendUint64(nil, c.record.number)
		var err error
		if value := c.value(); value == nil {
			err = bucket.Delete(key)
		} else {
			value = value[:len(value):len(value)]
			err = bucket.Put(key, binary.BigEndian.AppendUint32(value, checksum(key, value)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *file) close() error {
	if f.db == nil {
		return nil
	}
	return f.db.Close()
}

func open(path string, readOnly bool) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        lockPatience,
		ReadOnly:       readOnly,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
	})
	return db, opened(err)
}

// opened says what an error of bbolt's at opening means: what the operating system did not say is in the file.
func opened(err error) error {
	var system *fs.PathError
	switch {
	case err == nil, errors.As(err, &system), errors.Is(err, errDamaged):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return errInUse
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// guarded makes errors of bbolt's panics, and of pages that can't be read.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errDamaged, cause)
		}
	}()
	return do()
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // it was only read
	return folder.Sync()
}
