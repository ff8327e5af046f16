package network

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// fileCheckInterval is the time between two looks at files that are in use.
const fileCheckInterval = time.Second

// reloading is a value made of files, which is made again when they change. Where that fails the value stays, and the log
// is told once for each change.
type reloading[T any] struct {
	files []*watchedFile
	build func() (*T, error) // from what the files hold
	log   *slog.Logger

	value   atomic.Pointer[T]
	mutex   sync.Mutex // held while the files are looked at
	checked time.Time
}

// newReloading fails with KeyErrors where a file can't be used.
func newReloading[T any](log *slog.Logger, build func() (*T, error), files ...*watchedFile) (*reloading[T], error) {
	r := &reloading[T]{files: files, build: build, log: log}
	for _, file := range files {
		file.refresh()
	}
	value, err := r.rebuild()
	r.value.Store(value)
	return r, err
}

// latest is the value as of the latest look at the files.
func (r *reloading[T]) latest() *T { return r.value.Load() }

// reloadIfDue looks at the files, if nobody does at present or did within the last second.
func (r *reloading[T]) reloadIfDue() {
	if len(r.files) == 0 || !r.mutex.TryLock() {
		return
	}
	defer r.mutex.Unlock()
	if now := time.Now(); now.Sub(r.checked) >= fileCheckInterval {
		r.checked = now
		r.reload()
	}
}

// reloadNow looks at the files without regard to when that was done before. It fails with a *ShortageError where they can't
// be read for one.
func (r *reloading[T]) reloadNow() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.reload()
	for _, file := range r.files {
		if short := shortageError(file.err); short != nil {
			return short
		}
	}
	return nil
}

func (r *reloading[T]) reload() {
	var changed []string
	for _, file := range r.files {
		if file.refresh() {
			changed = append(changed, file.key)
		}
	}
	if len(changed) == 0 {
		return
	}
	value, err := r.rebuild()
	if err != nil {
		r.log.Warn("a file changed and can't be used: what it held before stays in use", "error", err)
		return
	}
	r.value.Store(value)
	r.log.Info("files changed, and are in use as they are now", "keys", changed)
}

func (r *reloading[T]) rebuild() (*T, error) {
	var errs []error
	for _, file := range r.files {
		errs = append(errs, file.err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r.build()
}
