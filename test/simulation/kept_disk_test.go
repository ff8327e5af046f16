package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

// disk is what outlives the processes of a scenario, and what goes wrong with it.
type disk struct {
	*storetest.Disk
	takes time.Duration // a commit
	late  time.Duration // a reading

	mu      sync.Mutex
	failing failing
	until   time.Time                      // when it heals
	cut     *cutting                       // of the power, at a commit to come
	letters map[string]map[int][]time.Time // when events were given up of which there were letters, by endpoint and number
	seen    map[string]int
}

func newDisk(takes, late time.Duration) *disk {
	return &disk{Disk: storetest.NewDisk(), takes: takes, late: late, letters: map[string]map[int][]time.Time{}, seen: map[string]int{}}
}

// keeper is the disk as one process has it.
type keeper struct {
	*storetest.Memory
	disk *disk
	off  chan struct{} // closed: the power is off

	// Guarded by disk.mu.
	taken     map[*store.Group]time.Time // when each group was made
	committed time.Time                  // when the latest group was made that is on the disk
	failed    time.Time                  // when a commit failed last, or was the first one again
	fails     bool                       // the latest commit did
}

func (d *disk) open() *keeper {
	return &keeper{Memory: d.Keeper(), disk: d, off: make(chan struct{}), taken: map[*store.Group]time.Time{}}
}

var errFaulty = errors.New("a fault of the scenario")

// Commit implements store.Keeper.
func (k *keeper) Commit(group *store.Group) (store.Trimmed, error) {
	d := k.disk
	d.mu.Lock()
	if k.taken[group].IsZero() {
		k.taken[group] = time.Now()
	}
	d.mu.Unlock()
	k.sleep(d.takes)
	d.mu.Lock()
	defer d.mu.Unlock()
	cut, faulty := d.cut, d.failing.commits && time.Now().Before(d.until)
	if cut != nil && cut.at(group) {
		d.cut = nil
		defer k.cutOff()
		return store.Trimmed{}, k.fail(group, cut.applied, "crash amid a commit that is applied", "crash amid a commit that is not applied")
	}
	if faulty {
		return store.Trimmed{}, k.fail(group, d.failing.applied, "commit that is applied and fails", "commit that fails")
	}
	trimmed, err := k.apply(group)
	if err != nil {
		k.failed, k.fails = time.Now(), true
	}
	return trimmed, err
}

// fail lets a commit fail, of which all is on the disk, or nothing.
func (k *keeper) fail(group *store.Group, applied bool, ifApplied, ifNot string) error {
	seen := ifNot
	if applied {
		seen = ifApplied
		_, _ = k.apply(group)
	}
	k.disk.seen[seen]++
	k.failed, k.fails = time.Now(), true
	return errFaulty
}

func (k *keeper) apply(group *store.Group) (store.Trimmed, error) {
	trimmed, err := k.Memory.Commit(group)
	if err != nil {
		return trimmed, err
	}
	if k.fails {
		k.failed = time.Now()
	}
	k.committed, k.fails = k.taken[group], false
	for _, given := range group.Letters {
		k.disk.note(k.Memory, given.Letter)
	}
	return trimmed, nil
}

// note remembers when an event was given up of which there is a letter now.
func (d *disk) note(memory *storetest.Memory, letter *store.DeadLetter) {
	number, err := numberOf(letter.Event.Body())
	if _, missing := memory.Letter(context.Background(), letter.ID); err != nil || missing != nil {
		return
	}
	if d.letters[letter.Endpoint] == nil {
		d.letters[letter.Endpoint] = map[int][]time.Time{}
	}
	d.letters[letter.Endpoint][number] = append(d.letters[letter.Endpoint][number], letter.Time)
}

func (k *keeper) cutOff() {
	k.Memory.CutOff()
	select {
	case <-k.off:
	default:
		close(k.off)
	}
}

func (k *keeper) isOff() bool {
	select {
	case <-k.off:
		return true
	default:
		return false
	}
}

// sleep does without a timer's channel, and without a timer that is due at once: in a bubble the race detector of Go 1.26
// breaks down over a timer that the goroutine which looks at it has to run.
func (k *keeper) sleep(lasts time.Duration) {
	if lasts <= 0 {
		return
	}
	over := make(chan struct{})
	timer := time.AfterFunc(lasts, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
	case <-k.off:
	}
}

func (k *keeper) readable() error {
	k.disk.mu.Lock()
	defer k.disk.mu.Unlock()
	if k.disk.failing.reads && time.Now().Before(k.disk.until) {
		k.disk.seen["reading that fails"]++
		return errFaulty
	}
	return nil
}

func (d *disk) fails() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failing.commits && time.Now().Before(d.until)
}

// Held implements store.Keeper. An event that is read is not the one that was written, but like it.
func (k *keeper) Held(endpoint string, after uint64, most delivery.Volume) (store.HeldRecords, error) {
	k.sleep(k.disk.late)
	if err := k.readable(); err != nil {
		return store.HeldRecords{}, err
	}
	read, err := k.Memory.Held(endpoint, after, most)
	for i := range read.Events {
		read.Events[i].Event, err = messages.StoredEnvelope(read.Events[i].Event.Stored())
		if err != nil {
			return store.HeldRecords{}, fmt.Errorf("restore an event: %w", err)
		}
	}
	return read, err
}

// Stubs implements store.Keeper.
func (k *keeper) Stubs(endpoint string, class messages.Class, after uint64, most int) ([]delivery.Stub, error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	return k.Memory.Stubs(endpoint, class, after, most)
}

// Letters implements store.Keeper.
func (k *keeper) Letters(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	if err := k.readable(); err != nil {
		return store.DeadLetterPage{}, err
	}
	return k.Memory.Letters(ctx, query)
}

// Letter implements store.Keeper.
func (k *keeper) Letter(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	return k.Memory.Letter(ctx, id)
}

// Close implements store.Keeper.
func (k *keeper) Close() error {
	k.cutOff()
	return nil
}
