// Package persistence keeps small records on disk, in groups: what changes within some milliseconds is one commit. What
// is kept and dropped before its commit is never written. It knows nothing of what the records are.
package persistence

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// When a group is committed, and when it is tried again after the disk failed.
const (
	commitDelay   = 10 * time.Millisecond // at most, from a group's first change
	retryPause    = time.Second           // doubled with every failure
	maxRetryPause = 30 * time.Second
)

// ErrClosed is what a Keeper answers that is closed.
var ErrClosed = errors.New("what is kept is closed")

// Keeper keeps records in a file. All of them are in memory as well, in the form of the functions that encode them: so a
// file that failed or is damaged is written anew.
type Keeper struct {
	log  *slog.Logger
	file *file // the committer's

	mu      sync.Mutex
	last    uint64 // the latest record's number
	live    map[*Record]struct{}
	pending map[*Record]struct{} // changed, and in no commit yet
	waiting []waiter
	busy    bool  // a commit is under way
	failure error // of the disk; nil: it does what it should

	wake    chan struct{} // there is something to commit
	hurry   chan struct{} // somebody waits, or nothing is left to wait for
	closing chan struct{}
	ended   chan struct{}
}

// waiter wants to know when what was changed before it is safe.
type waiter struct {
	tell    func(error)
	patient bool // is told of success alone
}

// Open opens the folder's file, or makes it, and the folder; nobody else can open it until Close. A file that is damaged is
// set aside, and what could be read of it is kept in a new one. The records come in the order of their numbers.
func Open(dir string, log *slog.Logger) (*Keeper, []Stored, error) {
	file, found, err := openFile(dir, log)
	if err != nil {
		return nil, nil, err
	}
	k := &Keeper{
		log:     log,
		file:    file,
		live:    map[*Record]struct{}{},
		pending: map[*Record]struct{}{},
		wake:    make(chan struct{}, 1),
		hurry:   make(chan struct{}, 1),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	stored := make([]Stored, len(found))
	for i, entry := range found {
		record := &Record{number: entry.number, encode: func() []byte { return entry.value }, stored: true}
		k.live[record] = struct{}{}
		k.last = max(k.last, entry.number)
		stored[i] = Stored{Record: record, Value: entry.value}
	}
	go k.run()
	return k, stored, nil
}

// Begin opens a bracket.
func (k *Keeper) Begin() *Bracket { return &Bracket{keeper: k, open: true} }

// Keep keeps a new record. encode is called in another goroutine, once or more: what it reads must not change, or be
// guarded. It returns nil where there is nothing to write any more. The bracket may be nil.
func (k *Keeper) Keep(b *Bracket, encode func() []byte) *Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last++
	r := &Record{number: k.last, encode: encode}
	if b != nil && b.open {
		r.bracket, b.used = b, true
	}
	k.live[r] = struct{}{}
	k.change(r)
	return r
}

// Replace makes something else of a record. It tells whether the file may have it as it was until the next commit.
func (k *Keeper) Replace(r *Record, encode func() []byte) (stored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r.encode = encode
	k.change(r)
	return r.stored
}

// Drop ends a record. It tells whether the file may have it until the next commit.
func (k *Keeper) Drop(r *Record) (stored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r.encode, r.bracket = nil, nil
	delete(k.live, r)
	if r.stored {
		k.change(r)
		return true
	}
	delete(k.pending, r)
	if len(k.pending) == 0 && len(k.waiting) > 0 {
		signal(k.hurry)
	}
	return false
}

// Synced tells when all that was changed before is safe, or could not be written. It tells in the goroutine that commits,
// which tell must not keep waiting, or before it returns, where there is nothing to wait for.
func (k *Keeper) Synced(tell func(error)) { k.await(waiter{tell: tell}, false) }

// SyncedAtLast tells when all that was changed before is safe, however often it could not be written before. It never
// does after Close.
func (k *Keeper) SyncedAtLast(tell func()) {
	k.await(waiter{tell: func(error) { tell() }, patient: true}, false)
}

// Sync commits now, and returns when all that was changed before is safe, or could not be written.
func (k *Keeper) Sync() error {
	told := make(chan error, 1)
	k.await(waiter{tell: func(err error) { told <- err }}, true)
	return <-told
}

func (k *Keeper) await(w waiter, hurried bool) {
	told, err := k.tryAwait(w, hurried)
	if told && (err == nil || !w.patient) {
		w.tell(err)
	}
}

func (k *Keeper) tryAwait(w waiter, hurried bool) (told bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.closing:
		return true, ErrClosed
	default:
	}
	switch {
	case k.failure != nil && !w.patient:
		return true, k.failure
	case len(k.pending) == 0 && !k.busy && k.failure == nil:
		return true, nil
	}
	k.waiting = append(k.waiting, w)
	k.changed()
	if hurried || len(k.pending) == 0 {
		signal(k.hurry)
	}
	return false, nil
}

// Close commits what is left and closes the file. Its error is that of the last commit: what it had is lost.
func (k *Keeper) Close() error {
	k.mu.Lock()
	close(k.closing)
	k.mu.Unlock()
	<-k.ended
	k.mu.Lock()
	defer k.mu.Unlock()
	return errors.Join(k.failure, k.file.close())
}

func (k *Keeper) change(r *Record) {
	k.pending[r] = struct{}{}
	k.changed()
}

func (k *Keeper) changed() { signal(k.wake) }

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
