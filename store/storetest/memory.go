package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Disk is what outlives a Memory.
type Disk struct {
	mu        sync.Mutex
	last      store.Last
	events    map[uint64]*messages.Envelope
	holds     map[string][]store.HoldRecord // by number
	letters   []letter                      // by id
	given     map[uuid.UUID]bool            // letters that there are or were
	written   uint64
	endpoints map[string]store.EndpointRecord
	fault     func(*store.Group) error
	keeper    *Memory // the latest
}

type letter struct {
	*store.DeadLetter
	event uint64
	size  int64
}

// NewDisk is an empty disk.
func NewDisk() *Disk {
	return &Disk{
		events: map[uint64]*messages.Envelope{}, holds: map[string][]store.HoldRecord{},
		endpoints: map[string]store.EndpointRecord{}, given: map[uuid.UUID]bool{},
	}
}

// Fail has every Commit fail for which fault, unless it is nil, returns an error.
func (d *Disk) Fail(fault func(*store.Group) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

func (d *Disk) present() func(*store.Group) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}

// Damage makes the body of an event that the endpoint holds unreadable.
func (d *Disk) Damage(endpoint string, number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, hold := range d.holds[endpoint] {
		if hold.Number == number {
			delete(d.events, hold.Event)
		}
	}
}

// Memory is a store.Keeper over a Disk. One that is cut off changes nothing of the disk any more, as after a crash.
type Memory struct {
	disk *Disk

	mu  sync.Mutex
	off bool
}

// Keeper opens the disk.
func (d *Disk) Keeper() *Memory {
	d.keeper = &Memory{disk: d}
	return d.keeper
}

// CutOff cuts the present Keeper off.
func (d *Disk) CutOff() { d.keeper.CutOff() }

var errCut = errors.New("the power is off")

// CutOff is the end of the process that uses the Keeper, as far as the disk sees it.
func (m *Memory) CutOff() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
}

func (m *Memory) access() (unlock func(), err error) {
	m.mu.Lock()
	if m.off {
		m.mu.Unlock()
		return nil, errCut
	}
	m.disk.mu.Lock()
	return func() {
		m.disk.mu.Unlock()
		m.mu.Unlock()
	}, nil
}

func (m *Memory) accessWith(ctx context.Context) (unlock func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return m.access()
}

// Commit implements store.Keeper.
func (m *Memory) Commit(group *store.Group) (store.Trimmed, error) {
	d := m.disk
	if fault := d.present(); fault != nil {
		if err := fault(group); err != nil {
			return store.Trimmed{}, err
		}
	}
	unlock, err := m.access()
	if err != nil {
		return store.Trimmed{}, err
	}
	defer unlock()
	for _, event := range group.Events {
		d.events[event.Number] = event.Event
		d.written += uint64(event.Event.Size())
		d.last.Event = max(d.last.Event, event.Number)
	}
	for _, hold := range group.Holds {
		d.hold(hold)
	}
	for _, replay := range group.Replays {
		d.replay(replay)
	}
	for _, tries := range group.Tries {
		if i, found := d.find(tries.Endpoint, tries.Number); found {
			d.holds[tries.Endpoint][i].Tries = tries.Tries
		}
	}
	for _, given := range group.Letters {
		d.giveUp(given)
	}
	for _, end := range group.Ends {
		if hold, held := d.end(end.Endpoint, end.Number); held {
			d.sweep(hold.Event)
		}
	}
	for _, id := range group.Deleted {
		d.delete(id)
	}
	maps.Copy(d.endpoints, group.Endpoints)
	return d.trim(group.Trim), nil
}

func (d *Disk) find(endpoint string, number uint64) (int, bool) {
	return slices.BinarySearchFunc(d.holds[endpoint], number, func(hold store.HoldRecord, number uint64) int {
		return cmp.Compare(hold.Number, number)
	})
}

func (d *Disk) hold(hold store.HoldRecord) {
	i, found := d.find(hold.Endpoint, hold.Number)
	if !found {
		d.holds[hold.Endpoint] = slices.Insert(d.holds[hold.Endpoint], i, hold)
	}
}

func (d *Disk) end(endpoint string, number uint64) (store.HoldRecord, bool) {
	i, found := d.find(endpoint, number)
	if !found {
		return store.HoldRecord{}, false
	}
	hold := d.holds[endpoint][i]
	d.holds[endpoint] = slices.Delete(d.holds[endpoint], i, i+1)
	return hold, true
}

func (d *Disk) giveUp(given store.LetterRecord) {
	hold, held := d.end(given.Letter.Endpoint, given.Number)
	if d.given[given.Letter.ID] || !held {
		return
	}
	d.given[given.Letter.ID] = true
	if bytes.Compare(given.Letter.ID[:], d.last.Letter[:]) > 0 {
		d.last.Letter = given.Letter.ID
	}
	d.letters = append(d.letters, letter{given.Letter, hold.Event, int64(hold.Size)})
	slices.SortFunc(d.letters, func(a, b letter) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

func (d *Disk) letter(id uuid.UUID) (int, bool) {
	i := slices.IndexFunc(d.letters, func(l letter) bool { return l.ID == id })
	return i, i >= 0
}

func (d *Disk) take(id uuid.UUID) (letter, bool) {
	i, found := d.letter(id)
	if !found {
		return letter{}, false
	}
	l := d.letters[i]
	d.letters = slices.Delete(d.letters, i, i+1)
	return l, true
}

func (d *Disk) replay(replay store.ReplayRecord) {
	l, found := d.take(replay.Letter)
	if !found {
		return
	}
	hold := replay.Hold
	hold.Event, hold.Size = l.event, int(l.size)
	d.hold(hold)
}

func (d *Disk) delete(id uuid.UUID) {
	if l, found := d.take(id); found {
		d.sweep(l.event)
	}
}

// sweep deletes an event that nobody holds any more.
func (d *Disk) sweep(event uint64) {
	for _, holds := range d.holds {
		if slices.ContainsFunc(holds, func(hold store.HoldRecord) bool { return hold.Event == event }) {
			return
		}
	}
	if !slices.ContainsFunc(d.letters, func(l letter) bool { return l.event == event }) {
		delete(d.events, event)
	}
}

func (d *Disk) trim(bounds store.LetterBounds) (trimmed store.Trimmed) {
	for len(d.letters) > 0 && d.letters[0].Time.Before(bounds.OlderThan) {
		d.delete(d.letters[0].ID)
		trimmed.MaxAge++
	}
	for bounds.MaxBytes > 0 && d.letterBytes() > bounds.MaxBytes {
		d.delete(d.letters[0].ID)
		trimmed.MaxBytes++
	}
	return trimmed
}

func (d *Disk) letterBytes() int64 {
	var sum int64
	for _, l := range d.letters {
		sum += l.size
	}
	return sum
}

// Reopen implements store.Keeper.
func (m *Memory) Reopen() error {
	unlock, err := m.access()
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// Endpoints implements store.Keeper.
func (m *Memory) Endpoints() (map[string]store.EndpointRecord, error) {
	unlock, err := m.access()
	if err != nil {
		return nil, err
	}
	defer unlock()
	records := maps.Clone(m.disk.endpoints)
	for name, record := range records {
		record.Account.Dropped = maps.Clone(record.Account.Dropped)
		record.Account.DeadLettered = maps.Clone(record.Account.DeadLettered)
		records[name] = record
	}
	return records, nil
}

// Last implements store.Keeper.
func (m *Memory) Last() (store.Last, error) {
	unlock, err := m.access()
	if err != nil {
		return store.Last{}, err
	}
	defer unlock()
	return m.disk.last, nil
}

// Held implements store.Keeper.
func (m *Memory) Held(endpoint string, after uint64, most delivery.Volume) (store.HeldRecords, error) {
	unlock, err := m.access()
	if err != nil {
		return store.HeldRecords{}, err
	}
	defer unlock()
	read := store.HeldRecords{Through: after}
	for _, hold := range m.disk.after(endpoint, after) {
		most.Events--
		most.Bytes -= int64(hold.Size)
		if read.Through > after && (most.Events < 0 || most.Bytes < 0) {
			read.More = true
			break
		}
		read.Through = hold.Number
		event := m.disk.events[hold.Event]
		if event == nil {
			read.Damaged = append(read.Damaged, store.DamagedRecord{
				Stub: delivery.Stub{Place: hold.Place, Size: hold.Size}, Err: errors.New("the body is gone"),
			})
			continue
		}
		read.Events = append(read.Events, delivery.Stored{
			Acceptance: delivery.Acceptance{Place: hold.Place, Event: event, At: hold.At},
			Tries:      hold.Tries,
		})
	}
	return read, nil
}

func (d *Disk) after(endpoint string, after uint64) []store.HoldRecord {
	first, _ := d.find(endpoint, after+1)
	return d.holds[endpoint][first:]
}

// Stubs implements store.Keeper.
func (m *Memory) Stubs(endpoint string, class messages.Class, after uint64, most int) ([]delivery.Stub, error) {
	unlock, err := m.access()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var stubs []delivery.Stub
	for _, hold := range m.disk.after(endpoint, after) {
		if len(stubs) < most && hold.Class == class {
			stubs = append(stubs, delivery.Stub{Place: hold.Place, Size: hold.Size})
		}
	}
	return stubs, nil
}

// Letters implements store.Keeper.
func (m *Memory) Letters(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	page := store.DeadLetterPage{Letters: []*store.DeadLetterRecord{}}
	unlock, err := m.accessWith(ctx)
	if err != nil {
		return page, err
	}
	defer unlock()
	for _, l := range m.disk.letters {
		record := l.Record(false)
		switch {
		case bytes.Compare(l.ID[:], query.After[:]) <= 0:
		case !query.Match(record):
		case len(page.Letters) == query.Limit:
			page.Next = page.Letters[query.Limit-1].ID.String()
			return page, nil
		default:
			page.Letters = append(page.Letters, record)
		}
	}
	return page, nil
}

// Letter implements store.Keeper.
func (m *Memory) Letter(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	unlock, err := m.accessWith(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	i, found := m.disk.letter(id)
	if !found {
		return nil, store.ErrNoDeadLetter
	}
	return m.disk.letters[i].Record(true), nil
}

// Usage implements store.Keeper.
func (m *Memory) Usage() store.Usage {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	return store.Usage{Letters: len(m.disk.letters), LetterBytes: m.disk.letterBytes(), WrittenBytes: m.disk.written}
}

// Compact implements store.Keeper.
func (m *Memory) Compact() error { return nil }

// Close implements store.Keeper.
func (m *Memory) Close() error {
	m.CutOff()
	return nil
}
