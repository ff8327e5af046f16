package bolt

import (
	"fmt"
	"sync"
)

// damagedError tells that pages are not what was written: the file has to be looked through, and its readable rest put
// into a new one.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return "the file is damaged: " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// recoverDamage makes an error of a panic: bbolt panics over a page that can't be true, and the runtime over one that
// can't be read, where debug.SetPanicOnFault asks it to.
func recoverDamage(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = &damagedError{p}
	default:
		*err = &damagedError{fmt.Errorf("%v", p)}
	}
}

// damage is the events of which a read found the body damaged.
type damage struct {
	mu     sync.Mutex
	events map[uint64]struct{}
}

func (d *damage) note(event uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.events == nil {
		d.events = map[uint64]struct{}{}
	}
	d.events[event] = struct{}{}
}

func (d *damage) has(event uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, found := d.events[event]
	return found
}
